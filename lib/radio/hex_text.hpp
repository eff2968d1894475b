// Appends bytes as hexadecimal text: report lines and the details of a detection are written by hand, being hot.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ble {

// Lower-case hex digits, with `separator` between the bytes unless it is NUL.
void append_hex(std::string &out, std::span<const std::uint8_t> bytes, char separator = '\0');

}  // namespace ble
