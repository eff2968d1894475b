// Delivery joins a spool and a transport: which entry is sent next, and what becomes of each result.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "batch/reject_file.hpp"
#include "spool/spool.hpp"
#include "transport/transport.hpp"

namespace ble {

class Delivery {
  public:
    using Clock = std::chrono::steady_clock;
    enum class OnFailure {
        keep,  // send again, in order
        drop,  // one try for each: counted, logged, gone
    };

    // Borrows all. At most `inflight` messages are outstanding, fewer when the transport wants so.
    Delivery(Spool &spool, Transport &transport, RejectFile &reject, Counters &counters, std::size_t inflight,
             OnFailure on_failure);

    // Takes the transport's results and sends what may be sent. Never blocks.
    void pump();
    // When a message last left the spool; at first: when this was made.
    Clock::time_point last_progress() const { return last_progress_; }

  private:
    void settle(const Result &result);

    Spool &spool_;
    Transport &transport_;
    RejectFile &reject_;
    Counters &counters_;
    std::size_t inflight_;
    OnFailure on_failure_;
    bool rewinding_ = false;  // something is to be sent again: first let all that is outstanding end
    Clock::time_point last_progress_ = Clock::now();
    Throttle said_;
};

}  // namespace ble
