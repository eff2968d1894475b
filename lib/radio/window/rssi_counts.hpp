// The RSSI values of one advertiser in one window: how often each was seen. Its size depends on how many different
// values there are (a few dozen), not on how many reports came.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace ble {

class RssiCounts {
  public:
    void add(std::int8_t rssi_dbm);

    bool empty() const { return counts_.empty(); }
    // All three: not when empty().
    int least() const { return counts_.front().first; }
    int most() const { return counts_.back().first; }
    // With an even number of values: the mean of the middle two, rounded towards the weaker.
    int median() const;

  private:
    int at(std::uint64_t rank) const;

    std::vector<std::pair<std::int8_t, std::uint32_t>> counts_;  // ascending
    std::uint64_t total_ = 0;
};

}  // namespace ble
