#include "top/terminal.hpp"

#include <fcntl.h>
#include <ncurses.h>
#include <sys/ioctl.h>
#include <term.h>  // its macros have names as "columns": nothing else is in this file
#include <unistd.h>

#include <cstdint>

#include "base/unique_fd.hpp"

namespace ble {

bool Terminal::usable() {
    winsize size{};
    if (!::isatty(STDOUT_FILENO) || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2 ||
        size.ws_col < 40)
        return false;
    const UniqueFd keys(::open("/dev/tty", O_RDWR | O_CLOEXEC));
    int found = 0;
    if (!keys || ::setupterm(nullptr, STDOUT_FILENO, &found) != OK || found != 1) return false;
    char *const move = ::tigetstr("cup");
    const bool moves = move != nullptr && reinterpret_cast<std::intptr_t>(move) != -1;
    ::del_curterm(cur_term);
    return moves;
}

}  // namespace ble
