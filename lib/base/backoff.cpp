#include "base/backoff.hpp"

#include <algorithm>

namespace ble {

std::chrono::milliseconds Backoff::next() {
    const auto whole = next_;
    next_ = std::min(next_ * 2, longest_);
    std::uniform_int_distribution<std::chrono::milliseconds::rep> spread(whole.count() / 2, whole.count());
    return std::chrono::milliseconds(spread(random_));
}

}  // namespace ble
