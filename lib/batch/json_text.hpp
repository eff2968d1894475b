// JSON written by appending to strings, for the hot paths; all escaping is here. And simple questions about a text
// that do not parse it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ble {

// Appends `text` as a JSON string with its quotes. Always valid JSON: bytes that are no UTF-8 become U+FFFD. Characters that do
// something where they are shown (batch/safe_text.hpp) are written as \uXXXX.
void append_json_string(std::string &out, std::string_view text);

// No JSON text begins with one (RFC 8259, 8.1). simdjson passes over it from version 3 on; nobody here does.
constexpr bool has_byte_order_mark(std::string_view text) {
    return text.starts_with("\xef\xbb\xbf");
}

bool is_utf8(std::string_view text);
// Is `text` UTF-8 of that many characters?
bool is_text(std::string_view text, std::size_t least, std::size_t most);

// Is `text` one JSON object, whole, with nothing but white space around it?
bool is_json_object(std::string_view text);

}  // namespace ble
