// Waiting for a database that takes nothing now: the input waits meanwhile, and nothing is lost.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/backoff.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"

namespace ble {

class Patience {
  public:
    explicit Patience(Lifecycle &lifecycle) : lifecycle_(lifecycle) {}

    // Does the work, again and again while it ends with StoreTrouble, which is said once a minute. False: asked to stop meanwhile, and
    // it is not done.
    bool persist(const std::function<void()> &work);
    // For people: what is waited for, and since when; empty: nothing.
    std::string status() const;

  private:
    Lifecycle &lifecycle_;
    Backoff backoff_{std::chrono::milliseconds(50), std::chrono::milliseconds(5000)};
    Throttle said_;
    std::string trouble_;
    std::chrono::steady_clock::time_point since_;
};

}  // namespace ble
