// JSON that every database can take apart.
#pragma once

#include <string>
#include <string_view>

namespace ble {

// U+0000 in strings of JSON text, which PostgreSQL has no text for and at which SQLite's functions end, as U+FFFD. `changed` holds the
// result when there is one. The text is minified: nothing is escaped outside of strings.
std::string_view without_nul(std::string_view json, std::string &changed);

}  // namespace ble
