// A publisher that trusts no broker: a message is delivered when the backend has confirmed every line of it, by name and
// digest, on BASE/stored/DEVICE_ID (see batch/confirmation.hpp). Until then it is outstanding, even after its PUBACK.
//
// With each new link, when the broker denies a message, and when a confirmation does not come in time, all that is outstanding
// ends in `retry`: what the broker may have lost is sent again from the oldest on. The time-out counts for the oldest message,
// from when it became the oldest: so a slow backend does not get the same messages again and again. It doubles while
// nothing is confirmed, up to ten times as long, so that a backend that was away does not find everything many times.
//
// A confirmation of other contents under the name of a line confirms nothing. There is a warning, and the line stays outstanding:
// an honest backend gets ours too, sets it aside and then confirms it. A line that is never confirmed takes a place
// among the outstanding ones and is sent again once in each time-out; it stops no other. With a key of confirmations, a confirmation without the
// right mac is ignored; without a key a warning at start says who else could confirm.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "batch/batch.hpp"
#include "batch/confirmation.hpp"
#include "transport/mqtt_publisher.hpp"
#include "transport/transport.hpp"
#include "transport/transport_options.hpp"

namespace ble {

class ConfirmedPublisher final : public Transport {
  public:
    explicit ConfirmedPublisher(const TransportOptions &options);

    void start() override { publisher_.start(); }
    int fd() const override { return publisher_.fd(); }
    std::chrono::milliseconds timeout() const override;
    std::vector<Result> step() override;
    std::size_t window() const override;
    void send(std::uint64_t id, std::string_view payload) override;
    void cork() override { publisher_.cork(); }
    void uncork() override { publisher_.uncork(); }
    void renew(const TransportOptions &options) override;
    bool connected() const override { return publisher_.connected(); }
    std::string status() const override;
    std::string destination(std::string_view line) override { return publisher_.destination(line); }

  private:
    using Clock = std::chrono::steady_clock;
    struct Message {
        std::vector<NamedLine> lines;
        std::set<std::string> heard_on;  // the topics of their confirmations
        std::size_t open = 0;            // lines not yet confirmed
        std::size_t bytes = 0;
        bool acknowledged = false;  // by the broker
        bool given_up = false;      // one before it is sent again, and so is this one
        Clock::time_point since;    // when it was
    };
    using Messages = std::map<std::uint64_t, Message>;

    void take(Result result, std::vector<Result> &out);
    void confirm(const MqttPublisher::Heard &heard);
    void warn_of_forgery(const std::string &topic);
    void confirm(const NamedLine &line);
    void warn_of_other(const LineName &name);
    void settle(std::vector<Result> &out);
    void give_up(const std::string &reason, std::vector<Result> &out);
    void forget(Messages::iterator message);
    void follow(const std::string &topic);
    Clock::time_point waits_since() const;

    std::string told_on_;  // for messages: the topic of confirmations
    std::optional<std::string> key_;
    std::chrono::milliseconds timeout_, patience_;
    MqttPublisher publisher_;
    BatchParser parser_;
    Messages messages_;                             // outstanding, by id
    std::multimap<NamedLine, std::uint64_t> open_;  // lines not yet confirmed, and their messages
    std::map<std::string, std::size_t> followed_;   // topics, and for how many messages that are outstanding
    Clock::time_point oldest_since_{};              // the first of messages_ is the first
    std::uint64_t links_ = 0;
    std::size_t unacknowledged_ = 0, lines_ = 0, bytes_ = 0;
    std::vector<std::uint64_t> confirmed_;  // messages whose last line was confirmed
    std::uint64_t others_ = 0,
                  forged_ = 0;  // confirmations of another content, and without the mac of our key
    Throttle silence_said_, other_said_, forgery_said_;
};

}  // namespace ble
