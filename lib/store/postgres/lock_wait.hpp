// How long to wait for an exclusive lock. Others wait behind us, so not long; but longer after each failure, because
// readers that hold it for some seconds each might never leave a gap.
#pragma once

#include <algorithm>
#include <chrono>

namespace ble {

class LockWait {
  public:
    // `most`: as it is set for the session.
    std::chrono::milliseconds next(std::chrono::milliseconds most) const { return std::min(wait_, most); }
    void failed() { wait_ = std::min(2 * wait_, longest); }
    void done() { wait_ = shortest; }

  private:
    static constexpr std::chrono::milliseconds shortest{2'000}, longest{10'000};

    std::chrono::milliseconds wait_ = shortest;
};

}  // namespace ble
