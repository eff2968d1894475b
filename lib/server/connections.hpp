// The connections of an LwsLoop: which of them are too many, and the deadline of each. For lws_loop.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.hpp"

struct lws;

namespace ble {

class Connections {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr Clock::time_point never = Clock::time_point::max();

    enum class Surplus { no, of_all, of_address };
    struct Connection {
        std::string network;  // network_of() its address
        Surplus surplus = Surplus::no;
        Clock::time_point deadline = never;

        bool too_many() const { return surplus != Surplus::no; }  // then it may ask for /health only
    };

    // `most`: at once; `share`: of them, of one network. `option`: as in LwsLoop::Config, for the log.
    Connections(std::size_t most, std::size_t share, std::string option = {})
        : most_(most), share_(share), option_(std::move(option)) {}

    // One more of that network; it counts from now on, also before it is added. `proxy`: its network may have all.
    Connection admit(const std::string &network, bool proxy);
    // An admitted one that was never added has ended.
    void dismiss(const Connection &connection);
    // `deadline`: of an ordinary one; those that are too many get two seconds.
    void add(lws *wsi, const Connection &connection, Clock::time_point deadline);
    void remove(lws *wsi);
    Connection *find(lws *wsi);  // nullptr: none of ours. Borrowed until it is removed.

    // The oldest of those that are too many, when there is no room for one more of them: to be ended. Else nullptr.
    lws *give_way();
    // Those whose deadline has passed, each once: to be ended.
    std::vector<lws *> expired(Clock::time_point now);
    // One that is too many did not get what it asked for: counted, and logged once a minute.
    void note_refused(const Connection &connection);

    bool none() const { return all_.empty(); }
    std::size_t standing() const { return standing_; }  // without those that are too many
    std::uint64_t refused() const { return refused_; }

  private:
    std::size_t most_, share_, standing_ = 0;
    std::string option_;
    std::unordered_map<lws *, Connection> all_;
    std::unordered_map<std::string, std::size_t> by_network_;  // of those that are not too many
    std::deque<lws *> spare_;                                  // those that are, the oldest first
    std::uint64_t refused_ = 0;
    Throttle crowded_, crowded_by_one_;
};

}  // namespace ble
