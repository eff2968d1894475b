#include "batch/safe_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace ble {
namespace {

constexpr char32_t arabic_mark = 0x061c;

bool is_line_separator(char32_t c) {
    return c == 0x2028 || c == 0x2029;
}
bool is_direction(char32_t c) {
    return c == arabic_mark || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

// How long a character is that starts with this byte and may be an unsafe one; 0: it is none. A table: most texts are long
// and hold none.
constexpr auto suspects = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t byte = 0; byte < 0x20; ++byte) table[byte] = 1;
    table[0x7f] = 1;
    table[0xc2] = table[0xd8] = 2;  // C1; U+061C
    table[0xe2] = 3;
    return table;
}();

char32_t decode(std::string_view character) {
    const auto low = [&](std::size_t i) { return static_cast<unsigned char>(character[i]) & 0x3fU; };
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first;
    if (character.size() == 2) return (first & 0x1fU) << 6 | low(1);
    return (first & 0x0fU) << 12 | low(1) << 6 | low(2);
}

// Is a byte of 0x7f or more in it? Eight at a time: nearly always none is.
bool has_high(std::string_view text) {
    std::uint64_t high = 0;
    for (; text.size() >= 8; text.remove_prefix(8)) {
        std::uint64_t word;
        std::memcpy(&word, text.data(), sizeof word);
        high |= word | (word + 0x0101010101010101U);
    }
    for (const char c : text) high |= static_cast<unsigned char>(c) >= 0x7f ? 0x80U : 0U;
    return (high & 0x8080808080808080U) != 0;
}

bool is_unsafe(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || is_line_separator(c) || is_direction(c);
}

}  // namespace

UnsafeCharacter find_unsafe(std::string_view text, std::size_t from) {
    for (std::size_t i = from; i < text.size(); ++i) {
        const std::size_t length = suspects[static_cast<unsigned char>(text[i])];
        if (length == 0 || length > text.size() - i) continue;
        const char32_t character = decode(text.substr(i, length));
        if (is_unsafe(character)) return {i, length, character};
    }
    return {};
}

std::string_view why_unsafe(std::string_view text) {
    const auto found = find_unsafe(text);
    if (found.at == std::string_view::npos) return {};
    if (is_line_separator(found.character)) return "holds a line separator";
    return is_direction(found.character) ? "holds a character that changes the writing direction"
                                         : "holds a control character";
}

std::string why_no_name(std::string_view text, std::size_t least, std::size_t most) {
    if (const auto why = why_unsafe(text); !why.empty()) return std::string(why);
    const auto characters = static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    if (characters < least) return "shorter than " + std::to_string(least) + " characters";
    if (characters > most) return "longer than " + std::to_string(most) + " characters";
    return {};
}

void append_code_unit(std::string &out, char32_t character) {
    static constexpr char digits[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[character >> shift & 15];
}

void escape_unsafe(std::string &json) {
    if (!has_high(json)) return;  // what is less than a blank is escaped already
    auto found = find_unsafe(json);
    if (found.at == std::string::npos) return;
    std::string out;
    std::size_t start = 0;
    for (; found.at != std::string::npos; found = find_unsafe(json, start)) {
        out.append(json, start, found.at - start);
        append_code_unit(out, found.character);
        start = found.at + found.length;
    }
    out.append(json, start);
    json = std::move(out);
}

}  // namespace ble
