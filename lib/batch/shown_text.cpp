#include "batch/shown_text.hpp"

#include <cwchar>

#include "batch/safe_text.hpp"

namespace ble {
namespace {

struct Character {
    std::string_view bytes;
    char32_t code;  // no_character: these bytes are none
};
constexpr char32_t no_character = 0xffffffff;

// The first one of a text that is not empty.
Character first_of(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (length == 0 || lead > 0xf4 || length > text.size()) return {text.substr(0, 1), no_character};
    if (length == 1) return {text.substr(0, 1), lead};
    auto code = static_cast<char32_t>(lead & (0xffU >> (length + 1)));
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0U) != 0x80) return {text.substr(0, 1), no_character};
        code = code << 6 | (next & 0x3fU);
    }
    return {text.substr(0, length), code};
}

// In columns of a terminal; -1: it must not be shown as it is.
int width_of(const Character &one, bool utf8) {
    if (one.code == no_character || find_unsafe(one.bytes).at != std::string_view::npos) return -1;
    if (one.code < 0x80) return 1;
    return utf8 ? ::wcwidth(static_cast<wchar_t>(one.code)) : -1;
}

std::size_t columns_of(const Character &one, bool utf8) {
    const int wide = width_of(one, utf8);
    return wide < 0 ? 1 : static_cast<std::size_t>(wide);
}

}  // namespace

std::size_t columns_of(std::string_view text, bool utf8) {
    std::size_t columns = 0;
    for (; !text.empty(); text.remove_prefix(first_of(text).bytes.size()))
        columns += columns_of(first_of(text), utf8);
    return columns;
}

std::string fit(std::string_view text, std::size_t columns, bool utf8, Align align) {
    const std::string_view more = utf8 ? "…" : "~";
    std::string out;
    std::size_t width = 0, until = 0, until_width = 0;  // of what leaves room for `more`
    for (; !text.empty(); text.remove_prefix(first_of(text).bytes.size())) {
        const Character one = first_of(text);
        const int wide = width_of(one, utf8);
        const std::size_t add = wide < 0 ? 1 : static_cast<std::size_t>(wide);
        if (width + add > columns) {
            if (columns == 0) return {};
            out.resize(until);
            out += more;
            width = until_width + 1;
            break;
        }
        if (add > 0) out += wide < 0 ? std::string_view("?") : one.bytes;
        width += add;
        if (width < columns) until = out.size(), until_width = width;
    }
    const std::string blanks(columns - width, ' ');
    return align == Align::left ? out + blanks : blanks + out;
}

}  // namespace ble
