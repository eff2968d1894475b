#include "radio/window/rests.hpp"

#include <algorithm>

namespace ble {

void Rests::tell(bool listens, Time since) {
    if (listens == listens_) return;
    if (listens) ended_ += open(since);
    listens_ = listens;
    since_ = since;
}

void Rests::begin(Time window) {
    window_ = window;
    ended_ = none;
    since_ = std::min(since_, window);  // of before the clock was set back
}

// Of the pause that is not over yet.
std::chrono::microseconds Rests::open(Time until) const {
    if (until - since_ <= moment) return none;
    return std::max(until - std::max(since_, window_), none);
}

}  // namespace ble
