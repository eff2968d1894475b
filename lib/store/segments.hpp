// Where the detections of some batches are in a table in the order of time: batches that were stored one after the other are
// mostly in one range, which is read once for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "store/rows/archive_rows.hpp"

namespace ble {

struct Segment {
    std::int64_t oldest, newest;     // of detections
    std::int64_t first_id, last_id;  // of batches
    bool scattered = false;          // of one batch, whose detections are far apart
};

// One for each batch becomes one for each stretch: those that are no further apart than that are one.
std::vector<Segment> join(std::vector<Segment> batches, std::int64_t apart_ms = 0);
std::vector<Segment> segments_of(const std::vector<ArchivedRow> &batches);

}  // namespace ble
