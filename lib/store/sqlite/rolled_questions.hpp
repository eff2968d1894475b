// What questions read, in SQL: detections alone, or rollups and of detections what these have not.
#pragma once

#include <string>

#include "store/rows/question_rows.hpp"

namespace ble::sqlite_rolled {

// From the comma or SELECT after `asked` on; parameters as in questions.cpp.
const std::string &track();
const std::string &expired();
const std::string &unsettled_hours();
const std::string &cut();
const std::string &deleted();
// What was heard, as SqliteCrowd::add() takes it.
std::string heard(Reads reads);
// ", together (step, place, near, medium, far, told_near, told_medium, told_far) AS (…)": of a step and place, one or several rows to add up.
std::string occupancy(Reads reads);

}  // namespace ble::sqlite_rolled
