// When a row was last used: kept for devices, places, senders and runs, so that retention finds those that nothing refers to any more.
#pragma once

#include <cstdint>

namespace ble {

// A use is written to the database only if the last one is at least that long ago, and not at each line.
constexpr std::int64_t use_told_every_s = 3'600;

}  // namespace ble
