// How long to wait for a lock that keeps out others, who wait behind whoever waits for it: not for long, but longer after each failure, or
// those who hold it for some seconds each would never let it go.
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
