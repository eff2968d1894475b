// When bleingest deletes what is old, and what it says about that.
#pragma once

#include <chrono>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "store/store.hpp"

namespace ble {

class Expiry {
  public:
    using Clock = std::chrono::steady_clock;

    // Batches kept for 0: nothing is ever due.
    Expiry(const Keep &keep, Counters &counters);
    ~Expiry();  // tells what was deleted since it was last told
    Expiry(const Expiry &) = delete;
    Expiry &operator=(const Expiry &) = delete;

    std::chrono::milliseconds due_in() const;  // at most an hour
    void step(Store &store);                   // one small step, when it is due

  private:
    void note(const Expired &expired);
    void tell();

    const Keep keep_;
    Counters &counters_;
    Clock::time_point due_ = Clock::now();
    Expired untold_;
    bool held_back_ = false;
    Throttle told_{std::chrono::hours(1)}, trouble_said_;
};

}  // namespace ble
