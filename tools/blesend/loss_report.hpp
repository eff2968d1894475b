// What blesend counts and says of batches that its spool dropped.
#pragma once

#include "base/counters.hpp"
#include "base/log.hpp"
#include "spool/spool.hpp"

namespace ble {

class LossReport {
  public:
    // Borrows both. What was lost in earlier runs is not told again.
    LossReport(const Spool &spool, Counters &counters);

    // Counts what was lost since the last call; says it at most once a minute, for each cause.
    void tell();

  private:
    std::string since_start(std::uint64_t lost, const Spool::Loss &now) const;

    const Spool &spool_;
    Counters &counters_;
    const Spool::Loss at_start_;
    Spool::Loss told_;
    Throttle dropped_said_, expired_said_;
};

}  // namespace ble
