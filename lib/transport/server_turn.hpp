// Which of several equal servers to use: a random one first, the next one after a failure. One that
// works is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace ble {

class ServerTurn {
  public:
    // `servers`: at least one.
    explicit ServerTurn(std::size_t servers, std::uint64_t seed = std::random_device{}())
        : servers_(servers), now_(static_cast<std::size_t>(seed % servers)) {}

    std::size_t now() const { return now_; }  // from 0
    // The present one has failed; now() is the next one. True: it has not been tried since one worked, so try it soon. False:
    // each has failed, so wait first.
    bool failed() {
        now_ = (now_ + 1) % servers_;
        return ++failures_ % servers_ != 0;
    }
    void worked() { failures_ = 0; }

  private:
    std::size_t servers_, now_;
    std::size_t failures_ = 0;  // since one worked
};

}  // namespace ble
