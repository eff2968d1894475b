// Timers of a loop that waits by poll(2), due to the microsecond: libwebsockets' own wait in whole milliseconds, and spin for the rest.
//
// One thread. Callbacks may arm and disarm any timer, and add more.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include "base/unique_fd.hpp"

namespace ble {

class Timers {
  public:
    using Clock = std::chrono::steady_clock;

    Timers();  // Error(system): the system gives none

    std::size_t add(std::function<void()> expired);  // not armed; its number
    // Lets it expire once, after `delay` (again: the new delay counts).
    void arm(std::size_t timer, std::chrono::microseconds delay);
    void disarm(std::size_t timer);
    void call(std::size_t timer);  // now

    // Readable (level-triggered) when one is due: call expire(), which calls those that are, in the order of their times.
    int fd() const { return fd_.get(); }
    void expire();

  private:
    struct Timer {
        std::function<void()> expired;
        Clock::time_point due;
    };
    static constexpr Clock::time_point never = Clock::time_point::max();

    std::size_t next() const;
    void set();

    UniqueFd fd_;
    Clock::time_point set_ = never;  // when fd_ becomes readable
    std::vector<Timer> timers_;
};

}  // namespace ble
