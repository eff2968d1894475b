// The pseudonym under which an advertiser is reported: device_hash and hash_id of blepipe-batch(5).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "radio/air/address.hpp"
#include "radio/air/private_address.hpp"

namespace ble {

class AddressHasher {
  public:
    // With a key: HMAC-SHA-256; without: plain SHA-256, which anybody can reverse by trying all 2^48 addresses.
    // With an epoch, each period of that length since 1970 (UTC) has its own key, HMAC-SHA-256 of
    // "blepipe epoch SECONDS NUMBER" under `key`: nobody without `key` can follow an advertiser into the next one.
    explicit AddressHasher(std::optional<std::string> key, std::chrono::seconds epoch = {});

    // From now on, and until the next call, hashes are those of the epoch of `time`; at first, of that of 1970.
    void enter(Time time);
    // When the epoch of `time` ends; Time::max() without epochs.
    Time epoch_end(Time time) const;

    // 64 lower-case hex digits over the address in upper case without separators; its type is not part of it.
    std::string hash(const Address &address) const;
    // The same for its identity address, if that is known; otherwise for Identity::hashed.
    std::string hash(const Identity &identity) const;
    // Which key: the first 8 hex digits of its SHA-256; "sha256" without one. With epochs also which one, by its start
    // and length: "a41c09d2@2026-11-26T00:00:00Z/86400s".
    const std::string &id() const { return id_; }

  private:
    std::int64_t number_of(Time time) const;
    std::string hash_text(std::string_view text) const;

    std::optional<std::string> key_, epoch_key_;  // given; derived
    std::chrono::seconds epoch_;
    std::optional<std::int64_t> number_;  // of the epoch that was entered
    std::string id_;
};

}  // namespace ble
