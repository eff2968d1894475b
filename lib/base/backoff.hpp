// Exponential back-off with jitter: each delay is drawn from [half, whole] of first, 2*first, 4*first … up to longest.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace ble {

class Backoff {
  public:
    Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest,
            std::uint64_t seed = std::random_device{}())
        : first_(first), longest_(longest), next_(first), random_(seed) {}

    std::chrono::milliseconds next();
    void reset() { next_ = first_; }

  private:
    std::chrono::milliseconds first_, longest_, next_;
    std::mt19937_64 random_;
};

}  // namespace ble
