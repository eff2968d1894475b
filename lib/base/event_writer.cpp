#include "base/event_writer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/error.hpp"
#include "base/pipe_size.hpp"

namespace ble {

using std::chrono::milliseconds;

namespace {
constexpr char gone_text[] = "the reader of standard output is gone";
}

EventWriter::EventWriter(int fd, milliseconds patience, int attend_fd, std::function<bool()> attend)
    : fd_(fd), patience_(patience), attend_fd_(attend_fd), attend_(std::move(attend)) {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) lose(system_error("write to standard output").what());
    pipe_ = S_ISFIFO(info.st_mode);
    torn_before_ = has_leftovers(fd_);
    heard_ = !(S_ISCHR(info.st_mode) && info.st_rdev == ::makedev(1, 3));
}

void EventWriter::lose(const std::string &why) {
    gone_ = true;
    why_ = why;
    rest_.clear();
}

bool EventWriter::writable() {
    pollfd ask{fd_, POLLOUT, 0};
    if (::poll(&ask, 1, 0) <= 0) return false;
    if ((ask.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) lose(gone_text);
    return (ask.revents & POLLOUT) != 0;
}

// How much can be written now without blocking. Nobody else writes to the pipe: an empty one takes all that it can hold,
// one that is merely writable takes PIPE_BUF bytes.
std::size_t EventWriter::room() {
    int standing = 0;
    if (pipe_ && ::ioctl(fd_, FIONREAD, &standing) == 0 && standing == 0) {
        const int size = ::fcntl(fd_, F_GETPIPE_SZ);
        if (size > 0) return static_cast<std::size_t>(size);
    }
    return writable() && !gone_ ? std::size_t{PIPE_BUF} : 0;
}

// Writes a piece when there is room for it now.
bool EventWriter::write_some(std::string_view &text) {
    const std::size_t most = room();
    if (most == 0) return false;
    const auto count = ::write(fd_, text.data(), std::min(text.size(), most));
    if (count > 0) {
        text.remove_prefix(static_cast<std::size_t>(count));
        return true;
    }
    if (errno == EPIPE) {
        lose(gone_text);
    } else if (errno != EAGAIN && errno != EINTR) {
        lose(system_error("write to standard output").what());
    }
    return errno == EINTR;
}

bool EventWriter::wait_for_reader(milliseconds most, bool attending) {
    const auto start = Clock::now();
    const auto end = start + most;
    bool writable = false;
    while (!writable) {
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        if (most.count() > 0 && left.count() <= 0) break;
        pollfd asks[] = {{fd_, POLLOUT, 0}, {attend_fd_, POLLIN, 0}};
        ::poll(asks, attending && attend_fd_ >= 0 ? 2 : 1,
               most.count() > 0 ? static_cast<int>(left.count()) : -1);
        if (asks[1].revents != 0 && !attend_()) break;
        writable = asks[0].revents != 0;
    }
    waited_ += std::chrono::duration_cast<milliseconds>(Clock::now() - start);
    return writable;
}

bool EventWriter::write_all(std::string_view &text, bool wait) {
    while (!text.empty() && !gone_) {
        if (write_some(text) || gone_) continue;
        const auto left = patience_ - waited_;
        if (!wait || (patience_.count() > 0 && left.count() <= 0) ||
            !wait_for_reader(patience_.count() > 0 ? left : milliseconds(0), true))
            return false;
    }
    return !gone_;
}

bool EventWriter::caught_up() const {
    int standing = 0;
    return !pipe_ || ::ioctl(fd_, FIONREAD, &standing) != 0 || standing == 0;
}

void EventWriter::pump() {
    if (rest_.empty()) writable();
    std::string_view rest = rest_;
    write_all(rest, false);
    rest_.erase(0, rest_.size() - rest.size());
}

bool EventWriter::line(std::string_view text) {
    if (gone_) return false;
    if (stalled_ && caught_up()) {
        stalled_ = false;
        waited_ = milliseconds(0);
    }
    const auto waited_before = waited_;
    std::string_view rest = rest_;
    const bool room = write_all(rest, !stalled_);
    rest_.erase(0, rest_.size() - rest.size());
    bool begun = false;
    if (room) {
        std::string whole;
        whole.reserve(text.size() + 2);
        if (torn_before_) whole.append(1, '\n');
        whole.append(text).append(1, '\n');
        rest = whole;
        write_all(rest, !stalled_);
        begun = rest.size() < whole.size();
        torn_before_ = torn_before_ && !begun;
        if (begun && !gone_) rest_.assign(rest);
    }
    if (gone_) return false;
    if (!rest.empty()) stalled_ = true;
    if (!stalled_ && waited_ == waited_before) waited_ = milliseconds(0);  // it keeps up
    return begun;
}

bool EventWriter::finish() {
    constexpr milliseconds grace(1000);
    bool ending = !attend_();
    std::string_view rest = rest_;
    waited_ = milliseconds(0);
    while (!rest.empty() && !gone_) {
        if (write_some(rest) || gone_) continue;
        const auto most = ending ? grace : patience_;
        if (most.count() > 0 && waited_ >= most) break;
        const bool writable = wait_for_reader(most.count() > 0 ? most - waited_ : milliseconds(0), !ending);
        if (!writable && !ending && !attend_()) {
            ending = true;
            waited_ = milliseconds(0);
        }
    }
    rest_.erase(0, rest_.size() - rest.size());
    return rest_.empty() && !gone_;
}

}  // namespace ble
