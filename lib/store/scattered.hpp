// Batches whose detections are far apart in the table, as after a clock was set within the window: the time of each one is
// kept beside it, so that nobody has to read all that is between.
#pragma once

#include <cstdint>

namespace ble {

// Of a batch's first and last detection; milliseconds since 1970, whatever a database says.
inline bool are_scattered(std::int64_t oldest, std::int64_t newest) {
    constexpr std::int64_t far_ms = 3'600'000;
    return newest / 2 - oldest / 2 > far_ms / 2;  // halves: no difference overflows
}

}  // namespace ble
