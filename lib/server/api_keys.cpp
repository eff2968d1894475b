#include "server/api_keys.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace ble {

ApiKeys::ApiKeys(std::string_view text, std::string_view source) {
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view key = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t first = key.find_first_not_of(" \t\r");
        if (first == std::string_view::npos || key[first] == '#') continue;
        key = key.substr(first, key.find_last_not_of(" \t\r") - first + 1);
        if (std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
            throw Error(ExitCode::config,
                        std::string(source) + ": line " + std::to_string(number) +
                            " is no key: blanks and characters beyond ASCII cannot be sent in a header");
        keys_.push_back(sha256(key));
    }
    if (keys_.empty()) throw Error(ExitCode::config, std::string(source) + " holds no key: write one a line");
}

bool ApiKeys::accepts(std::string_view candidate) const {
    // Comparing digests: how far two of them agree says nothing about the key.
    const Sha256 digest = sha256(candidate);
    unsigned found = 0;
    for (const Sha256 &key : keys_) {
        unsigned difference = 0;
        for (std::size_t i = 0; i < key.size(); ++i) difference |= static_cast<unsigned>(key[i] ^ digest[i]);
        found |= static_cast<unsigned>(difference == 0);
    }
    return found != 0;
}

}  // namespace ble
