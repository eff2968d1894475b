// How long, in a window, the radio did not listen.
#pragma once

#include <chrono>

#include "base/timestamp.hpp"

namespace ble {

class Rests {
  public:
    // A scan that is restarted is off for a moment; that still counts as listening.
    static constexpr std::chrono::milliseconds moment{250};

    // The radio listens from then on, or does not. At first it does.
    void tell(bool listens, Time since);
    // A window begins.
    void begin(Time window);
    // In the window, up to `until`: the time in pauses that were longer than a moment by then.
    std::chrono::microseconds until(Time until) const { return ended_ + (listens_ ? none : open(until)); }

  private:
    static constexpr std::chrono::microseconds none{0};
    std::chrono::microseconds open(Time until) const;

    bool listens_ = true;
    Time since_{};   // it does not listen
    Time window_{};  // its beginning
    std::chrono::microseconds ended_{0};
};

}  // namespace ble
