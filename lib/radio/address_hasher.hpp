// The pseudonym under which an advertiser is reported: device_hash and hash_id of blepipe-batch(5).
#pragma once

#include <optional>
#include <string>

#include "radio/address.hpp"

namespace ble {

class AddressHasher {
  public:
    // With a key: HMAC-SHA-256; without: plain SHA-256, which anybody can reverse by trying all 2^48 addresses.
    explicit AddressHasher(std::optional<std::string> key);

    // 64 lower-case hex digits over the address in upper case without separators; its type is not part of it.
    std::string hash(const Address &address) const;
    // Which key: the first 8 hex digits of its SHA-256; "sha256" without one.
    const std::string &id() const { return id_; }

  private:
    std::optional<std::string> key_;
    std::string id_;
};

}  // namespace ble
