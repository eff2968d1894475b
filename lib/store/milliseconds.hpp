// Times as the database has them: milliseconds since 1970, UTC.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/timestamp.hpp"

namespace ble {

constexpr std::int64_t day_ms = 86'400'000;

inline std::int64_t to_milliseconds(Time time) {
    return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// A database may say anything: what is outside the years 1970 to 9999 becomes their first or last moment.
inline Time from_milliseconds(std::int64_t since_1970) {
    constexpr std::int64_t last = 253'402'300'799'999;
    return Time(std::chrono::milliseconds(std::clamp<std::int64_t>(since_1970, 0, last)));
}

}  // namespace ble
