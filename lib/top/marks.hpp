// Small pictures of numbers, and short words for times: for columns of a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace ble {

// How strong, in so many columns: from -100 dBm (nothing) to -40 (full).
std::string rssi_bar(int rssi_dbm, std::size_t columns, bool utf8);
// A column for each value, blank where there is none: the same scale.
std::string rssi_line(std::span<const std::optional<int>> values, bool utf8);

// "12 s", "3:05", "2h05", "4 d": of less than 10 000 days at most six columns. Negative times: "0 s".
std::string short_time(std::chrono::milliseconds time);

}  // namespace ble
