// JSON that every database can parse.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ble {

// The text with U+FFFD for each U+0000 in its strings, which PostgreSQL has no text for and at which SQLite's functions end; none: there is
// no such. It is minified: nothing is escaped outside of strings.
std::optional<std::string> without_nul(std::string_view json);

}  // namespace ble
