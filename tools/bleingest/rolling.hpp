// When bleingest merges what it stored into the rollups: when the input rests, or when much waits. Nothing that goes wrong with them ends it:
// what could not be merged stays due, and it tries again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/log.hpp"
#include "store/store.hpp"

namespace ble {

class Rolling {
  public:
    using Clock = std::chrono::steady_clock;

    void stored(std::uint64_t detections);
    std::chrono::milliseconds due_in() const;  // while the input rests; at most an hour
    // One small step, when it is due. `idle`: the input rests.
    void step(Store &store, bool idle);
    // All that waits, for as long as `go_on` says so. What is left goes on at the next start.
    void catch_up(Store &store, const std::function<bool()> &go_on);

  private:
    enum class Outcome { done, more, failed };

    std::chrono::minutes occupancy() const;
    void settle(std::chrono::minutes longest);
    Outcome take_step(Store &store, std::chrono::minutes occupancy);
    void tell(const RolledUp &done);

    std::uint64_t waiting_ = 0;  // detections that were stored since the last step
    bool unsettled_ = true;      // something may wait, or is to be counted
    Clock::time_point due_ = Clock::now(), hours_due_ = due_;  // those of days as well
    bool of_earlier_version_ = false;                          // batches of it are being merged
    Throttle trouble_said_{std::chrono::hours(1)}, progress_said_{std::chrono::minutes(1)};
};

}  // namespace ble
