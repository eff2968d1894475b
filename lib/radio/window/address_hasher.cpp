#include "radio/window/address_hasher.hpp"

#include <cinttypes>
#include <cstdio>

#include "base/digest.hpp"

namespace ble {

AddressHasher::AddressHasher(std::optional<std::string> key, std::chrono::seconds epoch)
    : key_(std::move(key)),
      epoch_(key_ ? epoch : std::chrono::seconds(0)),
      id_(key_ ? hex(sha256(*key_)).substr(0, 8) : "sha256") {
    enter(Time{});
}

void AddressHasher::enter(Time time) {
    if (epoch_.count() == 0 || number_ == number_of(time)) return;
    number_ = number_of(time);
    const auto key = hmac_sha256(
        *key_, "blepipe epoch " + std::to_string(epoch_.count()) + ' ' + std::to_string(*number_));
    epoch_key_.emplace(key.begin(), key.end());
    const auto start = format_ms(epoch_end(time) - epoch_);
    id_ = id_.substr(0, 8) + '@' + start.substr(0, 19) + "Z/" + std::to_string(epoch_.count()) + 's';
}

Time AddressHasher::epoch_end(Time time) const {
    if (epoch_.count() == 0) return Time::max();
    return Time{} + (number_of(time) + 1) * epoch_;
}

// Rounded down also before 1970, where a clock or a capture may be.
std::int64_t AddressHasher::number_of(Time time) const {
    const auto since = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
    return since / epoch_.count() - (since % epoch_.count() < 0 ? 1 : 0);
}

std::string AddressHasher::hash(const Address &address) const {
    char text[24];
    std::snprintf(text, sizeof text, "%012" PRIX64, address.number());
    return hash_text(text);
}

std::string AddressHasher::hash(const Identity &identity) const {
    return identity.address ? hash(*identity.address) : hash_text(identity.hashed);
}

std::string AddressHasher::hash_text(std::string_view text) const {
    return hex(key_ ? hmac_sha256(epoch_key_ ? *epoch_key_ : *key_, text) : sha256(text));
}

}  // namespace ble
