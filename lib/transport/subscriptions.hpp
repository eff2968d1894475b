// The subscriptions of a publisher, and when to ask for them again if the broker refuses: all of them, in rounds, at growing intervals. A
// node of a cluster that has just lost another one refuses for some seconds.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "base/backoff.hpp"

namespace ble {

class MqttConnection;

class Subscriptions {
  public:
    using Clock = std::chrono::steady_clock;

    // The connection outlives it.
    explicit Subscriptions(MqttConnection &connection) : connection_(connection) {}

    void add(const std::string &filter);
    void remove(const std::string &filter);

    void link_up();    // asks for all of them
    void link_down();  // what was asked has no answer to come
    void answer(bool refused);
    // Asks again when it is due.
    void step();
    std::optional<Clock::time_point> due() const { return due_; }

  private:
    void ask(const std::string &filter);

    MqttConnection &connection_;
    std::set<std::string> filters_;
    Backoff backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
    std::size_t unanswered_ = 0;
    bool refused_ = false;  // one of this round
    std::optional<Clock::time_point> due_;
};

}  // namespace ble
