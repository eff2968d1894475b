// Points in time as text: RFC 3339.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

// UTC, microseconds. Years 1970 to 9999 can be printed.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

Time now();

// "2026-11-22T06:30:10.000Z"; fractions are cut, not rounded.
std::string format_ms(Time time);
// "2026-11-22T06:30:10.000000Z"
std::string format_us(Time time);

// RFC 3339 date-time with 'T' or a blank between, any number of fraction digits (cut to microseconds), offset "Z" or
// "+hh:mm". Without an offset UTC is assumed: the first implementation sends such. Empty result: not a date-time, or
// outside the years 1970 to 9999.
std::optional<Time> parse_rfc3339(std::string_view text);

}  // namespace ble
