#include "spool/spool_age.hpp"

#include <algorithm>

#include "spool/spool_schema.hpp"

namespace ble {

using std::chrono::milliseconds;

SpoolAge SpoolAge::at(const Clocks &now) const {
    const std::int64_t uptime = now.uptime.count();
    // A name that is not known may be that of any start: only an uptime that is less than it was is another one's for certain.
    const bool known = boot != unknown_boot && now.boot != unknown_boot;
    const bool same_start = uptime >= uptime_s && (boot == now.boot || !known);
    std::int64_t passed = same_start ? uptime - uptime_s : uptime;
    if (boot.empty()) passed = 0;
    return {lived_s + passed, uptime, now.boot};
}

milliseconds age_of_line(std::int64_t since_ms, std::int64_t lived_s, const SpoolAge &now, Time wall) {
    // Both are from a file, which may say anything.
    const std::int64_t lived = std::clamp<std::int64_t>(lived_s, 0, now.lived_s);
    const milliseconds age = std::chrono::seconds(now.lived_s - lived);
    const auto since = time_of_row(since_ms, wall);
    return since ? std::min(age, std::chrono::floor<milliseconds>(wall - *since)) : age;
}

}  // namespace ble
