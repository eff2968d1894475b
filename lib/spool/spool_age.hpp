// How long lines have been in a durable spool, without trust in any one clock.
//
// A spool has an age of its own: the time that it has lived while the machine was on. It grows by the uptime, which nobody
// can set. What passes while the machine is off does not count, since no clock can be believed to have counted it: a Pi without a
// battery starts in the past. Each line carries the age at which it came.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clocks.hpp"

namespace ble {

// The clocks of a durable spool, for tests.
struct SpoolClocks {
    std::function<UptimeClock::time_point()> uptime = UptimeClock::now;
    std::function<Time()> wall = now;
    std::string boot = boot_id();  // Clocks::boot
};

struct SpoolAge {
    std::int64_t lived_s = 0;   // so old it was …
    std::int64_t uptime_s = 0;  // … when the machine was up for so long …
    std::string boot;           // … in this start of it (Clocks::boot); empty: never saved

    // As old as it is by now, at least: where it is not known which start of the machine this is, no more than what passed in
    // any case. A process that goes on from the last answer, not from the first, knows all that passed meanwhile.
    SpoolAge at(const Clocks &now) const;
};

// How long a line is here that came at this time of day, milliseconds since 1970, and at this age of the spool. Never longer than
// it can be: what the wall clock says shortens it, and counts for nothing where it says that the line is yet to come.
std::chrono::milliseconds age_of_line(std::int64_t since_ms, std::int64_t lived_s, const SpoolAge &now,
                                      Time wall);

}  // namespace ble
