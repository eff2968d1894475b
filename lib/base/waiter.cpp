#include "base/waiter.hpp"

#include <poll.h>

#include <algorithm>

namespace ble {

namespace {

using std::chrono::milliseconds;

int timeout_ms(std::optional<Waiter::Clock::time_point> until) {
    if (!until) return -1;
    const auto left = std::chrono::ceil<milliseconds>(*until - Waiter::Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

}  // namespace

bool Waiter::wait(int fd, std::optional<Clock::time_point> until, double fraction) {
    if (fraction >= 0 && progress_.due())
        progress_.update(std::to_string(static_cast<int>(fraction * 100)) + " %");
    for (bool first = true;; first = false) {
        pollfd fds[] = {{life_.fd(), POLLIN, 0}, {fd, POLLIN, 0}};
        ::poll(fds, 2, first ? 0 : timeout_ms(until));
        if (fds[0].revents != 0) life_.handle();
        if (life_.stopping()) return false;
        life_.progress();
        if (fds[1].revents != 0 || (until && Clock::now() >= *until)) return true;
        if (first) writer_.flush();
    }
}

}  // namespace ble
