// Gathers which lines are safe, and tells their senders: a confirmation each 20 ms for each run that has news. Where it is very
// long, or the broker takes short packets only, it is parted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "batch/confirmation.hpp"
#include "transport/mqtt_announcer.hpp"

namespace ble {

class Confirmer {
  public:
    // With a `key` the confirmations are sealed.
    Confirmer(const MqttOptions &options, std::optional<std::string> key);

    // These lines of a message on `topic` are safe.
    void note(std::string_view topic, std::vector<NamedLine> &&lines);

    // When fd() is readable, or timeout() has passed: call step().
    void start() { announcer_.start(); }
    // Takes a password for the next link, and the key from now on.
    void renew(const std::optional<std::string> &password, std::optional<std::string> key);
    int fd() const { return announcer_.fd(); }
    std::chrono::milliseconds timeout() const;
    void step();
    void close();  // says what it still has to say, when that is possible at once

  private:
    using Clock = std::chrono::steady_clock;
    using Run = std::tuple<std::string, std::string, std::string>;  // topic, device_id, run_id
    struct News {
        std::set<Confirmation::Line> batches, gaps;
    };
    using AllNews = std::map<Run, News>;

    void publish();

    MqttAnnouncer announcer_;
    std::optional<std::string> key_;
    AllNews waiting_;                       // to be said
    std::size_t lines_ = 0;                 // since all was said
    std::optional<Clock::time_point> due_;  // of what waits
};

}  // namespace ble
