// Events to many clients over WebSocket (/ws) and server-sent events (/events), and a site beside them, on an LwsLoop.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/counters.hpp"
#include "server/access.hpp"
#include "server/feed.hpp"
#include "server/lws_loop.hpp"
#include "server/web_site.hpp"

namespace ble {

class Broadcaster {
  public:
    struct Options {
        Feed::Limits limits;
        bool close_slow = false;                 // a client that falls behind is told so and closed (1013)
        std::chrono::milliseconds ping{30'000};  // one that was silent for two of these is dead; 0: never
        std::chrono::milliseconds stats_update{10'000};  // 0: never
    };

    // Counts in: events taken; out: events handed to clients' sockets; dropped: events that clients missed; rejected: lines
    // that are no events. `access` and `counters` are borrowed and, as this, must outlive the loop.
    Broadcaster(LwsLoop &loop, const Access &access, WebSite::Options pages, Counters &counters,
                const Options &options);
    ~Broadcaster();
    Broadcaster(const Broadcaster &) = delete;
    Broadcaster &operator=(const Broadcaster &) = delete;

    std::vector<LwsLoop::Protocol> protocols();  // for loop.listen()

    // A line as Feed::publish() takes it. False: rejected and counted. After the last of several call wake().
    bool publish(std::string_view line);
    void wake();

    std::size_t clients() const;
    // Events that wait for the client that is furthest behind.
    std::uint64_t furthest_behind() const;
    // Does a client that took something within `lately` still have half a queue to take? It is busy, not slow: with more
    // events now it would miss some.
    bool pressed(std::chrono::milliseconds lately) const;

    // Stops listening, gives every client what waits for it, closes it ("going away"), then calls `done`, at the latest
    // after `within`. Further calls change nothing.
    void finish(std::chrono::milliseconds within, std::function<void()> done);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
