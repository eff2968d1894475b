// How many were at each place in each step of time, and who listened there: from the counts and the stretches in which Pis
// listened (lib/store/coverage.hpp).
#pragma once

#include <functional>
#include <vector>

#include "store/answers.hpp"
#include "store/question_mapping.hpp"

namespace ble {

// One row for each step and place that was counted or listened to, by step and place; of more than `most`, those of the latest steps.
// A stretch listened evenly. Of `counted`, the rows of all steps from the earliest one on have to be there, where it is the latest rows of
// more; of it, some may be missing. `asked` has the time and the steps. `check_time` is called now and then, and may throw.
//
// A stretch may have times between its windows in which nobody listened. Where one of these could fill its part of a step, nobody is known to have
// listened then: it makes no row of zeros.
Answers<Occupied> occupancy_of(std::vector<Occupied> counted, const std::vector<StretchRow> &stretches,
                               const Asked &asked, const std::function<void()> &check_time);

}  // namespace ble
