// What is shown, as text with styles: made without a terminal, drawn by one, or printed as it is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ble {

enum class Style : unsigned char { plain, dim, heading, title, near, medium, alarm, chosen };

struct Piece {
    std::string text;  // safe to be shown
    Style style = Style::plain;
};
using PageLine = std::vector<Piece>;

struct Page {
    std::vector<PageLine> lines;  // from the top
    PageLine footer;              // the last line of the screen
};

// What a terminal is like.
struct Surface {
    std::size_t rows = 24, columns = 80;
    bool utf8 = false;
};

// The text of a line, without the blanks at its end.
std::string text_of(const PageLine &line);

}  // namespace ble
