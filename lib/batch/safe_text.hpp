// Characters that have an effect where they are shown: control characters (C0, DEL, and C1 from U+0080 to U+009F),
// the line separators U+2028 and U+2029, and the controls of the writing direction (U+061C, U+200E, U+200F, U+202A to U+202E,
// U+2066 to U+2069). They move a terminal's cursor, forge lines, and let one text look like another.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ble {

struct UnsafeCharacter {
    std::size_t at = std::string_view::npos;  // its first byte; npos: there is none
    std::size_t length = 0;                   // in bytes
    char32_t character = 0;
};

// The first one from byte `from` on. `text` is UTF-8.
UnsafeCharacter find_unsafe(std::string_view text, std::size_t from = 0);

// "holds a control character", …; empty: it holds none. `text` is UTF-8.
std::string_view why_unsafe(std::string_view text);

// Why a text of UTF-8 cannot be a name: "shorter than 3 characters", …; empty: it can.
std::string why_no_name(std::string_view text, std::size_t least, std::size_t most);

// JSON text in which such characters stand in strings only, as in any that is minified: writes them as \uXXXX.
void escape_unsafe(std::string &json);
void append_code_unit(std::string &out, char32_t character);  // \uXXXX; below U+10000

}  // namespace ble
