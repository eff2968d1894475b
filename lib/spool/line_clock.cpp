#include "spool/line_clock.hpp"

#include <algorithm>

namespace ble {

using std::chrono::milliseconds;
using std::chrono::seconds;

void LineClock::look() {
    const auto uptime = std::chrono::ceil<seconds>(now().time_since_epoch());
    age_ = age_.at({clocks_.wall(), uptime, clocks_.boot});
}

// The clock may have been set meanwhile: what came in this run is no older than it, and what was there before no younger.
UptimeClock::time_point LineClock::since(std::uint64_t id, const SpoolRows::Stamp &came) const {
    const auto told = now() - age_of_line(came.since_ms, came.lived_s, age_, clocks_.wall());
    return id < first_id_ ? std::min(told, started_) : std::max(told, started_);
}

SpoolRows::Stamp LineClock::stamp(UptimeClock::time_point since) const {
    const auto age = now() - since;
    const auto wall = std::chrono::floor<milliseconds>(clocks_.wall().time_since_epoch());
    return {(wall - std::chrono::floor<milliseconds>(age)).count(),
            age_.lived_s - std::chrono::floor<seconds>(age).count()};
}

}  // namespace ble
