// The values of options as text. All readers throw a std::string that says what would be right: "true or false is expected".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/log.hpp"
#include "base/timestamp.hpp"

namespace ble {

std::int64_t to_number(const std::string &text, std::int64_t least, std::int64_t most);
// Seconds, with or without a unit; what is greater than 0 is never rounded to 0, which may mean "never".
std::chrono::milliseconds to_duration(const std::string &text);
// "2026-11-22T06:30:10Z", "2026-11-22" (its beginning, UTC), or how long ago: "24h".
Time to_moment(const std::string &text);
// The same, where days are meant without a unit.
std::chrono::milliseconds to_days(const std::string &text);
bool to_bool(std::string text);
LogLevel to_log_level(std::string text);

// In the largest unit that is whole: "90d", "10", "250ms".
std::string duration_text(std::chrono::milliseconds value);

}  // namespace ble
