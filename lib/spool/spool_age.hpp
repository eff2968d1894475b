// How long lines have been in a durable spool, without trust in a single clock.
//
// A spool has an age: the time for which it existed while the machine was on. It grows by the uptime, which nobody
// can set. Time while the machine is off does not count, because no clock can be trusted to have measured it: a Pi without a
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

    // Its age now, as a lower bound: if it is not known which start of the machine this is, only the time that has surely
    // passed is added. A process should go on from the last answer, which includes all that has passed.
    SpoolAge at(const Clocks &now) const;
};

// How long a line has been here that came at this wall-clock time, milliseconds since 1970, and at this age of the spool. Never
// too long: the wall clock can only shorten it, and is ignored if it says that the line comes in the future.
std::chrono::milliseconds age_of_line(std::int64_t since_ms, std::int64_t lived_s, const SpoolAge &now,
                                      Time wall);

}  // namespace ble
