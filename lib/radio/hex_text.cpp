#include "radio/hex_text.hpp"

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

}  // namespace ble
