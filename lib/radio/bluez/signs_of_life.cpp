#include "radio/bluez/signs_of_life.hpp"

#include <utility>

namespace ble {

bool SignsOfLife::is(std::uint64_t address, bool data) {
    const bool known = newer_.contains(address) || older_.contains(address);
    if (newer_.size() == remembered) {
        older_ = std::move(newer_);
        newer_.clear();
    }
    newer_.insert(address);
    return data || known;
}

}  // namespace ble
