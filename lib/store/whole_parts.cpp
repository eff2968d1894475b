#include "store/whole_parts.hpp"
#include "store/milliseconds.hpp"

#include <algorithm>
#include <utility>

#include "store/rows/rollup_rows.hpp"

namespace ble {
namespace {

std::int64_t round_down(std::int64_t at, std::int64_t unit) {
    const auto rest = at % unit;
    return at - rest - (rest < 0 ? unit : 0);
}

std::int64_t round_up(std::int64_t at, std::int64_t unit) {
    return -round_down(-at, unit);
}

}  // namespace

bool has_rolled_up_steps(const Asked &asked) {
    return asked.every % rollup_ms == 0;
}

bool has_counted_steps(const Asked &asked) {
    return asked.every == rollup_ms || asked.every == rollup_ms * buckets_an_hour || asked.every == day_ms;
}

std::int64_t beginning_of_bucket(std::int64_t at) {
    return round_down(at, rollup_ms);
}

void set_whole_parts(Asked &asked) {
    asked.whole_since = std::min(round_up(asked.since, rollup_ms), asked.until);
    asked.whole_until = std::max(round_down(asked.until, rollup_ms), asked.whole_since);
    asked.days_since = asked.days_until = asked.whole_until;
    if (asked.every % day_ms != 0) return;
    asked.days_since = std::min(round_up(asked.whole_since, day_ms), asked.whole_until);
    asked.days_until = std::max(round_down(asked.whole_until, day_ms), asked.days_since);
}

void set_hours(Asked &asked, const std::set<std::int64_t> &unsettled) {
    for (const auto &[since, until] :
         {std::pair(asked.whole_since, asked.days_since), {asked.days_until, asked.whole_until}}) {
        const auto end = until / rollup_ms;
        for (auto bucket = since / rollup_ms; bucket < end;) {
            const auto hour = bucket / buckets_an_hour;
            const bool whole = bucket % buckets_an_hour == 0 && bucket + buckets_an_hour <= end;
            if (whole && !unsettled.contains(hour)) {
                asked.hours.push_back(hour);
                bucket += buckets_an_hour;
            } else {
                asked.buckets.push_back(bucket++);
            }
        }
    }
}

}  // namespace ble
