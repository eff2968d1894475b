#include "server/api_keys.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/hex_text.hpp"
#include "base/secret.hpp"
#include "base/trimmed.hpp"
#include "batch/json_text.hpp"
#include "batch/safe_text.hpp"

namespace ble {
namespace {

// A key that ends in ':' and so many hexadecimal digits is taken for a hash that was cut, or that has grown.
constexpr std::size_t suspicious_digits = 32;

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0; });
}

}  // namespace

ApiKeys::ApiKeys(std::string_view text, std::string_view source) : asked_(true) {
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') continue;
        const auto refuse = [&](const std::string &reason) {
            throw Error(ExitCode::config,
                        std::string(source) + ": line " + std::to_string(number) + " " + reason);
        };

        Key key;
        const std::size_t colon = line.rfind(':');
        const std::string_view behind =
            colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        if (parse_hex(behind, key.hash)) {
            key.device = trimmed(line.substr(0, colon));
            if (const auto reason = why_no_key_device(key.device); !reason.empty())
                refuse("has no device_id and no * before its hash: " + reason);
        } else if (behind.size() >= suspicious_digits && is_hex(behind)) {
            refuse("has a hash of " + std::to_string(behind.size()) +
                   " digits instead of 64: copy it anew, or make another with --make-key");
        } else if (std::any_of(line.begin(), line.end(), [](char c) { return c <= ' ' || c > '~'; })) {
            refuse("is not a key: a header cannot have blanks and characters that are not ASCII");
        } else {
            key = {sha256(line), std::string(every_device)};
            plain_++;
            too_short_ += line.size() < short_key;
        }
        if (std::any_of(keys_.begin(), keys_.end(), [&](const Key &other) { return other.hash == key.hash; }))
            refuse("holds a key for the second time: each device needs its own key");
        keys_.push_back(std::move(key));
    }
}

const std::string *ApiKeys::owner(std::string_view candidate) const {
    // Comparing digests: how far two of them agree says nothing about the key.
    const Sha256 digest = sha256(candidate);
    const std::string *found = nullptr;
    for (const Key &key : keys_) {
        unsigned difference = 0;
        for (std::size_t i = 0; i < digest.size(); ++i)
            difference |= static_cast<unsigned>(key.hash[i] ^ digest[i]);
        found = difference == 0 ? &key.device : found;
    }
    return found;
}

std::string why_no_key_device(std::string_view device) {
    if (device == every_device) return "";
    return is_utf8(device) ? why_no_name(device, 3, 50) : "not UTF-8";
}

NewKey make_key(std::string_view device) {
    std::string key = random_key();
    const std::string hash = hex(sha256(key));
    return {std::move(key), std::string(device) + ":" + hash};
}

}  // namespace ble
