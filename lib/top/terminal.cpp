#include "top/terminal.hpp"

#define NCURSES_NOMACROS
#define NCURSES_WIDECHAR 1
#include <fcntl.h>
#include <ncurses.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace ble {
namespace {

enum Pair : short { green = 1, yellow, red, cyan };

struct FileCloser {
    void operator()(FILE *file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, FileCloser>;

// Log lines of this process that would be written into the picture.
class HeldLog {
  public:
    HeldLog() {
        int ends[2];
        if (!::isatty(STDERR_FILENO) || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
        out_ = UniqueFd(ends[0]);
        const UniqueFd in(ends[1]);
        before_ = UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
        if (before_) ::dup2(in.get(), STDERR_FILENO);
    }
    ~HeldLog() {
        if (before_) ::dup2(before_.get(), STDERR_FILENO);
    }
    HeldLog(const HeldLog &) = delete;
    HeldLog &operator=(const HeldLog &) = delete;

    int fd() const { return before_ ? out_.get() : -1; }
    std::string last_line() const {
        std::string text;
        char part[4096];
        for (ssize_t got = 0; before_ && (got = ::read(out_.get(), part, sizeof part)) > 0;)
            text.append(part, static_cast<std::size_t>(got));
        while (text.ends_with('\n')) text.pop_back();
        return text.substr(text.rfind('\n') + 1);
    }

  private:
    UniqueFd out_, before_;
};

attr_t attribute_of(Style style, bool colour) {
    const auto pair = [colour](Pair number) {
        return colour ? static_cast<attr_t>(COLOR_PAIR(number)) : A_NORMAL;
    };
    switch (style) {
        case Style::dim:
            return A_DIM;
        case Style::heading:
            return A_REVERSE;
        case Style::title:
            return A_BOLD | pair(cyan);
        case Style::near:
            return A_BOLD | pair(green);
        case Style::medium:
            return pair(yellow);
        case Style::alarm:
            return A_BOLD | pair(red);
        case Style::chosen:
            return A_REVERSE | A_BOLD;
        case Style::plain:
            break;
    }
    return A_NORMAL;
}

std::string utf8_of(wint_t character) {
    char bytes[MB_LEN_MAX];
    std::mbstate_t state{};
    const auto length = std::wcrtomb(bytes, static_cast<wchar_t>(character), &state);
    return length == static_cast<std::size_t>(-1) ? std::string() : std::string(bytes, length);
}

// Of a key that ncurses has a name for; nothing: none of ours.
std::optional<Key::Kind> named(wint_t code) {
    switch (code) {
        case KEY_UP:
            return Key::Kind::up;
        case KEY_DOWN:
            return Key::Kind::down;
        case KEY_PPAGE:
            return Key::Kind::page_up;
        case KEY_NPAGE:
            return Key::Kind::page_down;
        case KEY_HOME:
            return Key::Kind::home;
        case KEY_END:
            return Key::Kind::end;
        case KEY_ENTER:
            return Key::Kind::enter;
        case KEY_BACKSPACE:
            return Key::Kind::backspace;
        default:
            return {};
    }
}

std::optional<Key::Kind> control(wint_t character) {
    switch (character) {
        case L'\r':
        case L'\n':
            return Key::Kind::enter;
        case L'\t':
            return Key::Kind::tab;
        case 27:
            return Key::Kind::escape;
        case 8:
        case 127:
            return Key::Kind::backspace;
        case 12:
            return Key::Kind::redraw;
        case 3:
            return Key::Kind::quit;
        default:
            return {};
    }
}

}  // namespace

struct Terminal::Impl {
    File keys, out;
    SCREEN *screen = nullptr;
    HeldLog log;
    bool colour = false, utf8 = false, resized = false, all_anew = false;
};

Terminal::Terminal(const Look &look) : impl_(std::make_unique<Impl>()) {
    impl_->utf8 = look.utf8;
    impl_->keys.reset(std::fopen("/dev/tty", "re"));
    if (!impl_->keys) throw system_error("read keys from /dev/tty", ExitCode::io);
    impl_->out.reset(::fdopen(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), "w"));
    if (!impl_->out) throw system_error("use the terminal", ExitCode::io);
    impl_->screen = ::newterm(nullptr, impl_->out.get(), impl_->keys.get());
    if (impl_->screen == nullptr)
        throw Error(ExitCode::io, "unable to use the terminal: the terminal type in TERM is not known");
    ::set_escdelay(25);
    ::cbreak();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, TRUE);
    ::nodelay(stdscr, TRUE);
    ::leaveok(stdscr, TRUE);
    ::curs_set(0);
    impl_->colour = look.colour && ::has_colors() && ::start_color() == OK;
    if (!impl_->colour) return;
    ::use_default_colors();
    ::init_pair(green, COLOR_GREEN, -1);
    ::init_pair(yellow, COLOR_YELLOW, -1);
    ::init_pair(red, COLOR_RED, -1);
    ::init_pair(cyan, COLOR_CYAN, -1);
}

Terminal::~Terminal() {
    ::endwin();
    ::delscreen(impl_->screen);
}

int Terminal::fd() const {
    return ::fileno(impl_->keys.get());
}
int Terminal::log_fd() const {
    return impl_->log.fd();
}

std::optional<Key> Terminal::key() {
    wint_t code = 0;
    for (int kind; (kind = ::wget_wch(stdscr, &code)) != ERR;) {
        if (kind == KEY_CODE_YES && code == KEY_RESIZE) {
            impl_->resized = true;
            continue;
        }
        const auto found = kind == KEY_CODE_YES ? named(code) : control(code);
        if (found) return Key{*found, {}};
        if (kind != KEY_CODE_YES && code >= 0x20) return Key{Key::Kind::text, utf8_of(code)};
    }
    return {};
}

std::string Terminal::logged() {
    return impl_->log.last_line();
}

bool Terminal::resized() {
    return std::exchange(impl_->resized, false);
}

Surface Terminal::surface() const {
    return {static_cast<std::size_t>(LINES), static_cast<std::size_t>(COLS), impl_->utf8};
}

void Terminal::redraw() {
    impl_->all_anew = true;
}

void Terminal::draw(const Page &page) {
    const auto put = [&](int y, const PageLine &line) {
        ::wmove(stdscr, y, 0);
        for (const Piece &piece : line) {
            ::wattrset(stdscr, static_cast<int>(attribute_of(piece.style, impl_->colour)));
            ::waddnstr(stdscr, piece.text.data(), static_cast<int>(piece.text.size()));
            if (::getcury(stdscr) != y) break;  // as far as the line goes
        }
        ::wattrset(stdscr, A_NORMAL);
        if (::getcury(stdscr) == y && ::getcurx(stdscr) < COLS) ::wclrtoeol(stdscr);
    };
    if (std::exchange(impl_->all_anew, false)) ::wclear(stdscr);
    ::werase(stdscr);
    for (int y = 0; y < LINES - 1 && static_cast<std::size_t>(y) < page.lines.size(); ++y)
        put(y, page.lines[static_cast<std::size_t>(y)]);
    put(LINES - 1, page.footer);
    ::wrefresh(stdscr);
}

}  // namespace ble
