// Bytes as hexadecimal text, and back. Report lines and the details of a detection are written by hand, being hot.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ble {

// Lower-case hex digits, with `separator` between the bytes unless it is NUL.
void append_hex(std::string &out, std::span<const std::uint8_t> bytes, char separator = '\0');

// Fills `out` from exactly twice as many hex digits of either case. False: `text` is something else.
bool parse_hex(std::string_view text, std::span<std::uint8_t> out);
// The value of a hex digit of either case; -1: it is none.
int hex_digit(char c);

}  // namespace ble
