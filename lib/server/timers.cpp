#include "server/timers.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/error.hpp"

namespace ble {

Timers::Timers() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!fd_) throw system_error("make a timer");
}

std::size_t Timers::add(std::function<void()> expired) {
    timers_.push_back({std::move(expired), never});
    return timers_.size() - 1;
}

void Timers::arm(std::size_t timer, std::chrono::microseconds delay) {
    timers_.at(timer).due = Clock::now() + delay;
    set();
}

void Timers::disarm(std::size_t timer) {
    timers_.at(timer).due = never;
}

std::size_t Timers::next() const {
    const auto earliest = std::min_element(timers_.begin(), timers_.end(),
                                           [](const Timer &a, const Timer &b) { return a.due < b.due; });
    return static_cast<std::size_t>(earliest - timers_.begin());
}

// A time that is set and no longer wanted stays: it costs less to wake once in vain than to be set anew each time.
void Timers::set() {
    const auto due = timers_[next()].due;
    if (due >= set_) return;
    set_ = due;
    // Relative: what moves the clock of one program (libfaketime) also moves absolute times, of this clock as well.
    const auto ns = std::max<std::int64_t>(
        1, std::chrono::duration_cast<std::chrono::nanoseconds>(due - Clock::now()).count());
    itimerspec time{};
    time.it_value.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
    time.it_value.tv_nsec = static_cast<long>(ns % 1'000'000'000);
    if (::timerfd_settime(fd_.get(), 0, &time, nullptr) != 0) throw system_error("set a timer");
}

void Timers::call(std::size_t timer) {
    const auto expired = timers_.at(timer).expired;  // it may add timers
    expired();
}

void Timers::expire() {
    std::uint64_t times = 0;
    (void)!::read(fd_.get(), &times, sizeof times);
    set_ = never;
    const auto now = Clock::now();
    for (std::size_t due; !timers_.empty() && timers_[due = next()].due <= now;) {
        timers_[due].due = never;
        call(due);
    }
    if (!timers_.empty()) set();
}

}  // namespace ble
