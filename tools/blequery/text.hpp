// Answers as lines, without LF: JSON for programs, CSV for spreadsheets, a table for people. Names are the word of whoever sent them: none of
// these hands a terminal anything but characters that are shown.
#pragma once

#include <string>
#include <vector>

#include "store/answer_fields.hpp"

namespace ble {

std::vector<std::string> json_lines(const std::vector<Fields> &rows);
// RFC 4180, with CR, the names first. A text that a spreadsheet would calculate has a ' before it.
std::vector<std::string> csv_lines(const std::vector<Fields> &rows);
// Columns side by side, those without any value left out; times in the local time zone, hashes by their first 12 digits.
// `utf8`: as Look has it.
std::vector<std::string> table_lines(const std::vector<Fields> &rows, bool utf8);

}  // namespace ble
