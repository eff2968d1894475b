// Gathers which lines are safe, and tells their senders: a confirmation each 20 ms for each run that has news. Where it is very
// long, or the broker takes short packets only, it is parted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/unique_fd.hpp"
#include "batch/confirmation.hpp"
#include "transport/mqtt_announcer.hpp"

namespace ble {

class Confirmer {
  public:
    // With a `key` the confirmations are sealed.
    Confirmer(const MqttOptions &options, std::optional<std::string> key);

    // These lines of a message on `topic` are safe. In the one thread that takes messages.
    void note(std::string_view topic, std::vector<NamedLine> &&lines);

    // All others in the main thread. When one of fds() is readable, or timeout() has passed: call step().
    void start() { announcer_.start(); }
    // Takes a password for the next link, and the key from now on.
    void renew(const std::optional<std::string> &password, std::optional<std::string> key);
    std::vector<int> fds() const { return {announcer_.fd(), wake_fd_.get()}; }
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

    void gather();
    void publish();

    MqttAnnouncer announcer_;
    std::optional<std::string> key_;
    UniqueFd wake_fd_;
    std::mutex lock_;  // of the next two; held for a moment only
    AllNews noted_;
    std::size_t noted_lines_ = 0;           // since all was said
    AllNews waiting_;                       // the main thread's: to be said
    std::optional<Clock::time_point> due_;  // of what was noted
};

}  // namespace ble
