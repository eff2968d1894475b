#include "bletop/show.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/clocks.hpp"
#include "base/line_writer.hpp"
#include "base/look.hpp"
#include "top/terminal.hpp"

namespace ble {
namespace {

using namespace std::chrono_literals;
using Clock = Input::Clock;

constexpr std::chrono::milliseconds frame(100), tick(1000);
constexpr auto message_stays = 10s;

int until(Clock::time_point due) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

class Screen {
  public:
    explicit Screen(Shown &shown) : shown_(shown), terminal_(look_of(STDOUT_FILENO)) {}

    ExitCode run() {
        while (!shown_.life.stopping() && !shown_.viewer.quit() && !hung_up_) {
            if (changed_ && Clock::now() >= next_frame_) draw();
            wait();
            shown_.life.progress();
            shown_.life.handle();
            changed_ |= shown_.input.take(shown_.taker);
            take_keys();
            take_message();
            if (Clock::now() >= next_tick_) turn();
        }
        return ExitCode::ok;
    }

  private:
    void wait() {
        auto due = changed_ ? std::min(next_frame_, next_tick_) : next_tick_;
        if (const auto input = shown_.input.due()) due = std::min(due, *input);
        pollfd fds[] = {{shown_.life.fd(), POLLIN, 0},
                        {shown_.input.fd(), POLLIN, 0},
                        {terminal_.fd(), POLLIN, 0},
                        {terminal_.log_fd(), POLLIN, 0}};
        ::poll(fds, std::size(fds), until(due));
        hung_up_ = (fds[2].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    }

    void take_keys() {
        while (const auto key = terminal_.key()) {
            if (key->kind == Key::Kind::redraw) terminal_.redraw();
            shown_.viewer.press(*key, moment_now());
            changed_ = true;
        }
        changed_ |= terminal_.resized();
    }

    void take_message() {
        if (const auto text = terminal_.logged(); !text.empty()) {
            message_ = text;
            message_until_ = Clock::now() + message_stays;
            changed_ = true;
        }
    }

    void turn() {
        next_tick_ = Clock::now() + tick;
        shown_.model.expire(moment_now().steady);
        if (Clock::now() >= message_until_) message_.clear();
        changed_ = true;  // ages
    }

    void draw() {
        next_frame_ = Clock::now() + frame;
        terminal_.draw(
            shown_.viewer.page(terminal_.surface(), moment_now(), shown_.input.status(), message_));
        changed_ = false;
    }

    Shown &shown_;
    Terminal terminal_;
    bool changed_ = true, hung_up_ = false;
    std::string message_;
    Clock::time_point next_frame_{}, next_tick_{}, message_until_{};
};

class Printer {
  public:
    explicit Printer(Shown &shown)
        : shown_(shown), writer_(STDOUT_FILENO, shown.life.fd(), [&life = shown.life] {
              life.handle();
              return life.stopping();
          }) {
        winsize size{};
        if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
            surface_.columns = size.ws_col;
        surface_.rows = static_cast<std::size_t>(shown.options.rows) + 3;
    }

    ExitCode run() {
        auto next = Clock::now() + shown_.options.every;
        while (!shown_.life.stopping()) {
            auto due = next;
            if (const auto input = shown_.input.due()) due = std::min(due, *input);
            pollfd fds[] = {
                {shown_.life.fd(), POLLIN, 0}, {shown_.input.fd(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
            ::poll(fds, std::size(fds), until(due));
            if ((fds[2].revents & (POLLERR | POLLHUP)) != 0) throw ReaderGone();
            shown_.life.progress();
            shown_.life.handle();
            shown_.input.take(shown_.taker);
            if (shown_.input.ended()) break;
            if (Clock::now() < next) continue;
            print();
            next = Clock::now() + shown_.options.every;
        }
        print();
        return ExitCode::ok;
    }

  private:
    void print() {
        const Moment now = moment_now();
        shown_.model.expire(now.steady);
        const Page page = shown_.viewer.page(surface_, now, shown_.input.status(), {});
        writer_.line(format_ms(now.wall));
        for (const PageLine &line : page.lines) writer_.line(text_of(line));
        writer_.line("");
        writer_.flush();
    }

    Shown &shown_;
    LineWriter writer_;
    Surface surface_{24, 100, look_of(STDOUT_FILENO).utf8};
};

}  // namespace

Moment moment_now() {
    return {std::chrono::floor<std::chrono::milliseconds>(UptimeClock::now().time_since_epoch()), now()};
}

ExitCode show_on_terminal(Shown &shown) {
    return Screen(shown).run();
}

ExitCode show_plainly(Shown &shown) {
    return Printer(shown).run();
}

}  // namespace ble
