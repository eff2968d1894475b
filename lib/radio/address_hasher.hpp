// The pseudonym under which an advertiser is reported: device_hash and hash_id of blepipe-batch(5).
#pragma once

#include <optional>
#include <string>

#include "radio/address.hpp"
#include "radio/private_address.hpp"

namespace ble {

class AddressHasher {
  public:
    // With a key: HMAC-SHA-256; without: plain SHA-256, which anybody can reverse by trying all 2^48 addresses.
    explicit AddressHasher(std::optional<std::string> key);

    // 64 lower-case hex digits over the address in upper case without separators; its type is not part of it.
    std::string hash(const Address &address) const;
    // The same of its identity address, if that is known; otherwise of what stands for its key.
    std::string hash(const Identity &identity) const;
    // Which key: the first 8 hex digits of its SHA-256; "sha256" without one.
    const std::string &id() const { return id_; }

  private:
    std::string hash_text(std::string_view text) const;

    std::optional<std::string> key_;
    std::string id_;
};

}  // namespace ble
