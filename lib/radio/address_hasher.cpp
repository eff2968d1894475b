#include "radio/address_hasher.hpp"

#include <cinttypes>
#include <cstdio>

#include "base/digest.hpp"

namespace ble {

AddressHasher::AddressHasher(std::optional<std::string> key)
    : key_(std::move(key)), id_(key_ ? hex(sha256(*key_)).substr(0, 8) : "sha256") {}

std::string AddressHasher::hash(const Address &address) const {
    char text[24];
    std::snprintf(text, sizeof text, "%012" PRIX64, address.number());
    return hash_text(text);
}

std::string AddressHasher::hash(const Identity &identity) const {
    return identity.address ? hash(*identity.address) : hash_text(identity.hashed);
}

std::string AddressHasher::hash_text(std::string_view text) const {
    return hex(key_ ? hmac_sha256(*key_, text) : sha256(text));
}

}  // namespace ble
