// What questions read, in SQL: detections alone, or rollups and the detections that these do not have.
#pragma once

#include <string>

#include "store/rows/question_rows.hpp"

namespace ble::postgres_rolled {

// From the comma or SELECT after `asked` on; parameters as in questions.cpp.
const std::string &track();
const std::string &expired();
// The five minutes in which batches to be merged have detections. Asked before the others, as $15: the server plans for as many as there are.
const std::string &due_buckets();
const std::string &unsettled_hours();
const std::string &cut();
const std::string &deleted();
// ", heard (first, last, advertiser, device, place, strongest, zone, detections) AS (…)": several rows of each advertiser, Pi and place. Read anew
// wherever it is named.
std::string heard(Reads reads);
// ", together (step, place, near, medium, far, told_near, told_medium, told_far) AS (…)": of a step and place, one or several rows to add up.
std::string occupancy(Reads reads, bool by_device);

}  // namespace ble::postgres_rolled
