// What may be written for people to a descriptor: colours where it is a terminal that has them, and more than ASCII.
#pragma once

#include <string>
#include <string_view>

namespace ble {

struct Look {
    bool colour = false, utf8 = false;
};

// Colours: a terminal, TERM is set and not "dumb", and NO_COLOR is not set or empty (no-color.org). UTF-8: the locale says so, which is
// set by this (LC_CTYPE).
Look look_of(int fd);

enum class Colour { none, green, yellow, dim };
// Appends the text in that colour, as far as the look has any.
void append_coloured(std::string &out, std::string_view text, Colour colour, const Look &look);

}  // namespace ble
