// When lines came into a durable spool: by the clock of this process, and as their rows say it.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clocks.hpp"
#include "spool/spool_age.hpp"
#include "spool/spool_rows.hpp"

namespace ble {

class LineClock {
  public:
    // `saved`: the spool's age as its file has it. Ids from `first_id` on are of this run.
    LineClock(SpoolClocks clocks, SpoolAge saved, std::uint64_t first_id)
        : clocks_(std::move(clocks)), age_(std::move(saved)), first_id_(first_id), started_(now()) {}

    UptimeClock::time_point now() const { return clocks_.uptime(); }
    // What follows is by the last look.
    void look();
    const SpoolAge &age() const { return age_; }
    UptimeClock::time_point since(std::uint64_t id, const SpoolRows::Stamp &came) const;
    SpoolRows::Stamp stamp(UptimeClock::time_point since) const;

  private:
    SpoolClocks clocks_;
    SpoolAge age_;
    std::uint64_t first_id_;
    UptimeClock::time_point started_;
};

}  // namespace ble
