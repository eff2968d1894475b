// When blesend looks at its input.
//
// While batches leave, a spool on disk takes the next ones when few wait. So what was delivered is removed in the same transactions, and
// most of what comes is gone before it would be copied from SQLite's log into the file and read again: fewer syncs, and less is written.
#pragma once

#include <chrono>
#include <cstddef>

namespace ble {

class IntakePace {
  public:
    using Clock = std::chrono::steady_clock;
    // After this long there is a look in any case: an edge of the input may be missed, and whoever writes to us must not wait.
    static constexpr std::chrono::milliseconds longest{100};

    // So many batches that wait are enough for a while.
    explicit IntakePace(std::size_t enough) : enough_(enough) {}

    void input_came() { came_ = true; }
    void looked(Clock::time_point now) {
        looked_ = now;
        came_ = false;
    }
    // There may be something to see.
    bool is_due(Clock::time_point now) const { return came_ || now - looked_ >= longest; }
    // Not yet, all the same. `last_left`: when a batch last left the spool.
    bool has_enough(std::size_t waiting, Clock::time_point last_left, Clock::time_point now) const {
        return waiting >= enough_ && last_left >= looked_ && now - looked_ < longest;
    }

  private:
    std::size_t enough_;
    bool came_ = true;
    Clock::time_point looked_{};
};

}  // namespace ble
