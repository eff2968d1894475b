#include "base/hex_text.hpp"

#include <array>
#include <cstring>

namespace ble {

namespace {

// The two digits of each byte.
constexpr auto pairs = [] {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<char, 512> all{};
    for (std::size_t byte = 0; byte < 256; ++byte) {
        all[2 * byte] = digits[byte >> 4];
        all[2 * byte + 1] = digits[byte & 15];
    }
    return all;
}();

}  // namespace

void append_hex(std::string &out, std::span<const std::uint8_t> bytes, char separator) {
    if (bytes.empty()) return;
    const std::size_t start = out.size(), step = separator ? 3 : 2;
    out.resize(start + bytes.size() * step - (separator ? 1 : 0), separator);
    char *to = out.data() + start;
    for (const auto byte : bytes) {
        std::memcpy(to, &pairs[2 * byte], 2);
        to += step;
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
