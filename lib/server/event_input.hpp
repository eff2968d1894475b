// Feeds a Broadcaster from a descriptor, at the pace of those clients whose sockets take data: a line is consumed once it is in the ring.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "base/looking_reader.hpp"
#include "base/unique_fd.hpp"
#include "server/broadcaster.hpp"
#include "server/lws_loop.hpp"

namespace ble {

class EventInput {
  public:
    // `piece`: so many lines at once, then clients are served. `count`: after so many events the input counts as ended; 0:
    // never. `ended` is called once; what another writer of a FIFO sends later is still read, unless stop() was called.
    // Lines that are no events are logged, at most one a minute; torn ones at the end are counted.
    EventInput(LwsLoop &loop, Broadcaster &broadcaster, Counters &counters, int fd, std::size_t piece,
               std::uint64_t count, std::function<void()> ended);

    void stop() { stopped_ = true; }
    bool count_reached() const { return count_ > 0 && counters_.in >= count_; }

  private:
    void take();
    void publish(const Line &line);
    void reject(const Line &line);
    void end();

    LwsLoop &loop_;
    Broadcaster &broadcaster_;
    Counters &counters_;
    LookingReader reader_;
    LwsLoop::Timer timer_;  // of the looks while idle
    UniqueFd again_;        // readable while lines of the last look are left
    const std::size_t piece_;
    const std::uint64_t count_;
    std::function<void()> ended_;
    std::vector<Line> lines_;  // of the last look
    std::size_t done_ = 0;     // of these
    std::chrono::steady_clock::time_point last_piece_{};
    Throttle throttle_;
    bool stopped_ = false;
};

}  // namespace ble
