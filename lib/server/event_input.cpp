#include "server/event_input.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.hpp"
#include "batch/event.hpp"

namespace ble {

namespace {

using namespace std::chrono_literals;
// So long the input waits at most for clients that are busy taking events: whoever writes to us must not wait for them.
constexpr auto longest_hold = 50ms;
constexpr auto hold_look = 1ms;
constexpr auto idle_look = 100ms;

}  // namespace

EventInput::EventInput(LwsLoop &loop, Broadcaster &broadcaster, Counters &counters, int fd, std::size_t piece,
                       std::uint64_t count, std::function<void()> ended)
    : loop_(loop),
      broadcaster_(broadcaster),
      counters_(counters),
      reader_(fd, "standard input", max_event),
      timer_(loop.timer([this] { take(); })),
      again_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      piece_(piece),
      count_(count),
      ended_(std::move(ended)) {
    if (!again_) throw system_error("make an eventfd");
    loop_.watch(reader_.event_fd(), [this] { take(); });
    loop_.watch(again_.get(), [this] {
        std::uint64_t taken = 0;
        [[maybe_unused]] const auto got = ::read(again_.get(), &taken, sizeof taken);
        take();
    });
}

void EventInput::take() {
    if (stopped_) {
        reader_.look();  // takes the edge, or the loop would spin on it
        return;
    }
    if (done_ == lines_.size()) {
        lines_ = reader_.look();
        done_ = 0;
        if (lines_.empty()) {
            if (reader_.ended()) return end();
            if (reader_.is_pipe()) loop_.arm(timer_, idle_look);
            return;
        }
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - last_piece_ < longest_hold && broadcaster_.pressed(longest_hold))
        return loop_.arm(timer_, hold_look);
    last_piece_ = now;
    const std::size_t stop = std::min(lines_.size(), done_ + piece_);
    while (done_ < stop && !count_reached()) publish(lines_[done_++]);
    broadcaster_.wake();
    if (count_reached()) {
        reader_.consume(done_);
        return end();
    }
    if (done_ == lines_.size()) {
        reader_.consume();
        lines_.clear();
        done_ = 0;
        if (reader_.ended()) return end();
    }
    // By a descriptor, not by a timer: between two pieces all clients whose sockets take data are served.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(again_.get(), &one, sizeof one);
}

void EventInput::publish(const Line &line) {
    if (line.kind == Line::Kind::oversize) {
        counters_.rejected++;
        reject(line);
    } else if (!broadcaster_.publish(line.text)) {
        if (line.kind == Line::Kind::tail) counters_.torn++;
        reject(line);
    }
}

void EventInput::reject(const Line &line) {
    if (!throttle_.due()) return;
    const char *why = line.kind == Line::Kind::oversize ? "longer than an event may be"
                      : line.kind == Line::Kind::tail   ? "the input ended within it"
                                                        : "neither an event nor a batch";
    log_warning(std::string("a line is left out (") + why + "): " + printable(line.text) + " (" +
                std::to_string(counters_.rejected) + " so far)");
}

void EventInput::end() {
    loop_.disarm(timer_);
    if (reader_.is_pipe() && !count_reached()) loop_.arm(timer_, idle_look);
    if (auto call = std::exchange(ended_, nullptr)) call();
}

}  // namespace ble
