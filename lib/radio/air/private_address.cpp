#include "radio/air/private_address.hpp"

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/hex_text.hpp"
#include "base/trimmed.hpp"
#include "batch/json_text.hpp"

namespace ble {

namespace {

constexpr std::string_view blanks = " \t\r";

// Cuts the last word off `text`.
std::string_view last_word(std::string_view &text) {
    text = trimmed(text);
    const auto blank = text.find_last_of(blanks);
    const auto word = blank == text.npos ? text : text.substr(blank + 1);
    text.remove_suffix(word.size());
    return word;
}

std::optional<Aes128::Block> parse_key(std::string_view text) {
    const bool reversed = text.starts_with("lsb:");
    if (reversed) text.remove_prefix(4);
    Aes128::Block key;
    if (!parse_hex(text, key)) return std::nullopt;
    if (reversed) std::reverse(key.begin(), key.end());
    return key;
}

}  // namespace

bool is_resolvable(const Address &address) {
    return address.type == AddressType::random_device && address.bytes[0] >> 6 == 0b01;
}

// Vol 3 Part H 2.2.2: ah(k, r) = e(k, padding || r) mod 2^24, with 104 zero bits of padding. The security function e
// (2.2.1) has the most significant byte first, as FIPS 197 has it; HCI and the air have the least significant one first.
std::array<std::uint8_t, 3> private_address_hash(const Aes128 &key,
                                                 const std::array<std::uint8_t, 3> &prand) {
    Aes128::Block plain{};
    std::copy(prand.begin(), prand.end(), plain.end() - 3);
    const auto cipher = key.encrypt(plain);
    return {cipher[13], cipher[14], cipher[15]};
}

IdentityResolver::IdentityResolver(std::string_view lines, const std::string &file) {
    for (std::size_t number = 1; !lines.empty(); ++number) {
        const auto end = std::min(lines.find('\n'), lines.size());
        const auto line = trimmed(lines.substr(0, end));
        lines.remove_prefix(std::min(end + 1, lines.size()));
        if (line.empty() || line.front() == '#') continue;
        try {
            add(line);
        } catch (const std::string &reason) {
            throw Error(ExitCode::config, file + ", line " + std::to_string(number) + ": " + reason);
        }
    }
    if (identities_.empty()) throw Error(ExitCode::config, file + " has no key");
    for (const auto &identity : identities_)
        if (identity.address) by_address_.emplace(identity.address->number(), &identity);
}

void IdentityResolver::add(std::string_view line) {
    auto word = last_word(line);
    const auto address = parse_address(word);
    if (address) word = last_word(line);
    const auto key = parse_key(word);
    if (!key) throw std::string("a name, a key of 32 hex digits and perhaps an address are expected");
    const auto name = trimmed(line);
    if (!is_text(name, 1, 255)) throw std::string("a name of 1 to 255 characters of UTF-8 is expected");
    if (std::all_of(key->begin(), key->end(), [](auto byte) { return byte == 0; }))
        throw std::string("a key of zeros means that the device has no key");
    const std::string_view bytes(reinterpret_cast<const char *>(key->data()), key->size());
    Identity identity{std::string(name), address, "IRK:" + hex(sha256(bytes)),
                      std::uint64_t{1} << 63 | identities_.size()};
    const auto same = [&](const Identity &other) { return other.hashed == identity.hashed; };
    if (std::any_of(identities_.begin(), identities_.end(), same))
        throw std::string("this key is in the file twice");
    if (identities_.size() == most_keys) throw "at most " + std::to_string(most_keys) + " keys are possible";
    identities_.push_back(std::move(identity));
    keys_.emplace_back(*key);
}

const Identity *IdentityResolver::resolve(const Address &address, Time now) {
    if (address.type == AddressType::anonymous) return nullptr;
    if (const auto known = by_address_.find(address.number()); known != by_address_.end())
        return known->second;
    if (!is_resolvable(address)) return nullptr;
    age(now);
    if (const auto known = young_.find(address.number()); known != young_.end()) return known->second;
    const auto known = old_.find(address.number());
    const auto *identity = known == old_.end() ? try_keys(address) : known->second;
    young_.emplace(address.number(), identity);
    return identity;
}

void IdentityResolver::age(Time now) {
    const bool in_time = now >= young_since_ && now < young_since_ + memory;
    if (in_time && young_.size() < most_remembered) return;
    const bool old_is_stale = now < young_since_ || now >= young_since_ + 2 * memory;
    old_ = old_is_stale ? Known() : std::move(young_);
    young_ = {};
    young_since_ = now;
}

// Vol 6 Part B 1.3.2.3: prand is the upper half of the address, and its hash the lower.
const Identity *IdentityResolver::try_keys(const Address &address) {
    const auto &b = address.bytes;
    const std::array<std::uint8_t, 3> prand{b[0], b[1], b[2]}, hash{b[3], b[4], b[5]};
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        ++tried_;
        if (private_address_hash(keys_[i], prand) == hash) return &identities_[i];
    }
    return nullptr;
}

}  // namespace ble
