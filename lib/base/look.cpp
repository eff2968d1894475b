#include "base/look.hpp"

#include <langinfo.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>

namespace ble {

Look look_of(int fd) {
    std::setlocale(LC_CTYPE, "");
    const char *term = std::getenv("TERM"), *no = std::getenv("NO_COLOR");
    const bool able = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
    const bool wanted = no == nullptr || *no == '\0';
    return {::isatty(fd) != 0 && able && wanted, std::string_view(::nl_langinfo(CODESET)) == "UTF-8"};
}

void append_coloured(std::string &out, std::string_view text, Colour colour, const Look &look) {
    if (!look.colour || colour == Colour::none) {
        out += text;
        return;
    }
    out += colour == Colour::green ? "\x1b[32m" : colour == Colour::yellow ? "\x1b[33m" : "\x1b[2m";
    out += text;
    out += "\x1b[0m";
}

}  // namespace ble
