#include "batch/json_text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>

#include "batch/safe_text.hpp"

namespace ble {

namespace {

// What cannot stand in a string as it is, or should not: see batch/safe_text.hpp.
void append_escaped(std::string &out, char32_t character) {
    switch (character) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\b':
            out += "\\b";
            return;
        case '\f':
            out += "\\f";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            append_code_unit(out, character);
    }
}

// `text` is UTF-8 without unsafe characters: runs of plain bytes are copied whole.
void append_safe(std::string &out, std::string_view text) {
    std::size_t start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '"' && text[i] != '\\') continue;
        out.append(text, start, i - start);
        append_escaped(out, static_cast<unsigned char>(text[i]));
        start = i + 1;
    }
    out.append(text, start);
}

// `text` is UTF-8.
void append_valid(std::string &out, std::string_view text) {
    std::size_t start = 0;
    for (auto found = find_unsafe(text); found.at != std::string_view::npos;
         found = find_unsafe(text, start)) {
        append_safe(out, text.substr(start, found.at - start));
        append_escaped(out, found.character);
        start = found.at + found.length;
    }
    append_safe(out, text.substr(start));
}

// Length of the UTF-8 sequence (RFC 3629) at the beginning of `text`; 0: there is none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    const bool too_high = first == 0xf4 && byte(1) >= 0x90;
    return overlong || surrogate || too_high ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
    return simdjson::validate_utf8(text.data(), text.size());
}

void append_json_string(std::string &out, std::string_view text) {
    out += '"';
    if (is_utf8(text)) {
        append_valid(out, text);
    } else {
        while (!text.empty()) {
            const std::size_t length = sequence_length(text);
            if (length == 0) {
                out += "\xef\xbf\xbd";
                text.remove_prefix(1);
            } else {
                append_valid(out, text.substr(0, length));
                text.remove_prefix(length);
            }
        }
    }
    out += '"';
}

bool is_text(std::string_view text, std::size_t least, std::size_t most) {
    const auto starts_character = [](char c) { return (c & 0xc0) != 0x80; };
    const auto characters =
        static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
    return is_utf8(text) && characters >= least && characters <= most;
}

bool is_json_object(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    return !has_byte_order_mark(text) &&
           parser.parse(text.data(), text.size()).get(object) == simdjson::SUCCESS;
}

}  // namespace ble
