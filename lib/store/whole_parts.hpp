// Which part of a time the rollups can answer (lib/store/rollup.hpp): whole five minutes, and among these whole days. The rest, before and
// after, is read from the detections.
#pragma once

#include <set>

#include "store/rows/question_rows.hpp"

namespace ble {

// Are its steps made of whole five minutes?
bool has_rolled_up_steps(const Asked &asked);

// Are there counts for steps of this length?
bool has_counted_steps(const Asked &asked);

// `at` or the latest beginning of five minutes before it.
std::int64_t beginning_of_bucket(std::int64_t at);

// Sets the whole parts of `asked`: within its time, in this order. Where there are no whole days to use, these are at the end of the
// five minutes; where there are no whole five minutes, these are at the end of the time.
void set_whole_parts(Asked &asked);

// Then: sets the hours and the five minutes that are read before and after the days; of unsettled hours, their five minutes.
void set_hours(Asked &asked, const std::set<std::int64_t> &unsettled);

}  // namespace ble
