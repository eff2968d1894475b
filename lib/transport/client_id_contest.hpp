// Whether another client uses our client id. A broker has only one client with an id: each that connects ends the link of the other, so both
// connect again and again, and nothing else shows it. Logged once, with a reminder now and then.
#pragma once

#include <chrono>

#include "base/log.hpp"

namespace ble {

class ClientIdContest {
  public:
    using Clock = std::chrono::steady_clock;
    // A link that holds for so long has no rival: longer than a client with this id waits before it connects again.
    static constexpr std::chrono::seconds won_after{60};
    static constexpr std::chrono::hours reminded_after{6};

    enum class Ending {
        taken_over,   // the broker says that another client has our id (MQTT 5, 0x8e)
        unexplained,  // the broker hung up without a reason, as with MQTT 3.1.1
        other,
    };
    void lost(Ending ending, Clock::duration lived);
    void failed();  // an attempt to connect: the broker itself has a problem
    void held() { *this = {}; }

    bool on() const { return told_ || unexplained_ >= suspicious; }
    bool told() const { return told_; }  // by the broker; else it is a guess
    // Is it time to say so? Asking counts as saying.
    bool due(Clock::time_point now = Clock::now()) { return on() && said_.due(now); }

  private:
    static constexpr int suspicious = 3;  // short links in succession
    bool told_ = false;
    int unexplained_ = 0;
    Throttle said_{reminded_after};
};

}  // namespace ble
