#include "base/hex_text.hpp"

namespace ble {

void append_hex(std::string &out, std::span<const std::uint8_t> bytes, char separator) {
    static constexpr char digits[] = "0123456789abcdef";
    if (bytes.empty()) return;
    const std::size_t start = out.size(), length = bytes.size() * (separator ? 3 : 2) - (separator ? 1 : 0);
    out.resize(start + length);
    char *to = out.data() + start;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (separator && i > 0) *to++ = separator;
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool parse_hex(std::string_view text, std::span<std::uint8_t> out) {
    if (text.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

}  // namespace ble
