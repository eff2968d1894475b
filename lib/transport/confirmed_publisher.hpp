// A publisher that believes no broker: a message is delivered when the backend has confirmed every line of it, on
// TOPIC/stored/RUN_ID (see batch/confirmation.hpp). Until then it is outstanding, though it has its PUBACK.
//
// With each new link, when the broker denies a message, and when a confirmation does not come in time, all that is outstanding
// ends in `retry`: what the broker may have lost is sent again from the oldest on. The time runs for the oldest message, and
// from when it became the oldest: so a slow backend is not given the same again and again. It doubles as long as
// nothing is confirmed, up to ten times as long, so that a backend that is away does not find everything many times over.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "batch/batch.hpp"
#include "batch/confirmation.hpp"
#include "transport/mqtt_publisher.hpp"
#include "transport/transport.hpp"

namespace ble {

class ConfirmedPublisher final : public Transport {
  public:
    ConfirmedPublisher(const MqttOptions &options, std::size_t inflight, const std::string &status_topic,
                       std::chrono::milliseconds timeout);

    void start() override { publisher_.start(); }
    int fd() const override { return publisher_.fd(); }
    std::chrono::milliseconds timeout() const override;
    std::vector<Result> step() override;
    std::size_t window() const override;
    void send(std::uint64_t id, std::string_view payload) override;
    bool connected() const override { return publisher_.connected(); }
    std::string status() const override;

  private:
    using Clock = std::chrono::steady_clock;
    struct Message {
        std::vector<LineName> lines;
        std::size_t open = 0;  // lines not yet confirmed
        std::size_t bytes = 0;
        bool acknowledged = false;  // by the broker
        bool given_up = false;      // one before it is sent again, and so is this one
        Clock::time_point since;    // when it was
    };
    using Messages = std::map<std::uint64_t, Message>;

    void take(Result result, std::vector<Result> &out);
    void confirm(const std::string &text);
    void confirm(const LineName &from, const LineName &to);
    void settle(std::vector<Result> &out);
    void give_up(const std::string &reason, std::vector<Result> &out);
    void forget(Messages::iterator message);
    void follow(const std::string &run_id);
    Clock::time_point waits_since() const;

    std::string topic_;
    std::chrono::milliseconds timeout_, patience_;
    MqttPublisher publisher_;
    BatchParser parser_;
    Messages messages_;                            // outstanding, by id
    std::multimap<LineName, std::uint64_t> open_;  // lines not yet confirmed, and their messages
    std::map<std::string, std::size_t> runs_;      // subscribed to: how many of their lines are outstanding
    Clock::time_point oldest_since_{};             // the first of messages_ is the first
    std::uint64_t links_ = 0;
    std::size_t unacknowledged_ = 0, lines_ = 0, bytes_ = 0;
    std::vector<std::uint64_t> confirmed_;  // messages whose last line was confirmed
    Throttle silence_said_;
};

}  // namespace ble
