#include "base/counting_writer.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.hpp"
#include "base/pipe_size.hpp"

namespace ble {
namespace {

using std::chrono::microseconds;

// A reader that is at work has consumed a window sooner than the shortest; who stalls is not asked often, and who has told of it
// before will most likely tell again.
constexpr microseconds shortest_hint(25), hint_if_told(2000), longest_hint(100'000);

// Bytes that stand in the pipe, not yet consumed by its reader.
std::uint64_t standing_bytes(int fd) {
    int count = 0;
    if (::ioctl(fd, FIONREAD, &count) != 0) throw system_error("ask what stands in standard output");
    return static_cast<std::uint64_t>(count);
}

}  // namespace

CountingWriter::CountingWriter(int fd, Promise promise)
    : fd_(fd), promise_(promise), epoll_(::epoll_create1(EPOLL_CLOEXEC)), hint_(shortest_hint) {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) throw system_error("write to standard output", ExitCode::io);
    kind_ = S_ISFIFO(info.st_mode)  ? Kind::pipe
            : S_ISREG(info.st_mode) ? Kind::file
            : S_ISCHR(info.st_mode) ? Kind::device
                                    : Kind::other;
    if (promise_ == Promise::committed && kind_ == Kind::other)
        throw Error(ExitCode::config,
                    "standard output must be a pipe, a file or a terminal: a socket does not tell when its "
                    "reader has consumed a line. Write to a pipe");
    if (promise_ == Promise::committed && kind_ == Kind::pipe) raise_pipe_size(fd_, "standard output");
    epoll_event event{};
    event.events = EPOLLOUT | EPOLLET;
    // A regular file cannot be waited for and never has to be.
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd_, &event) != 0 && errno != EPERM)
        throw system_error("wait for standard output");
    if (has_leftovers(fd_)) {
        pending_ = "\n";
        ++taken_;
    }
}

std::uint64_t CountingWriter::take_line(std::string_view line) {
    pending_.append(line).append(1, '\n');
    taken_ += line.size() + 1;
    return taken_;
}

void CountingWriter::pump() {
    epoll_event taken{};
    const bool told = ::epoll_wait(epoll_.get(), &taken, 1, 0) > 0;
    write_pending();
    refresh(told);
}

void CountingWriter::write_pending() {
    while (!gone_ && unwritten() > 0) {
        const std::size_t size = kind_ == Kind::file ? unwritten() : std::min(room_now(fd_), unwritten());
        if (size == 0) return;
        const auto count = ::write(fd_, pending_.data() + pending_start_, size);
        if (count > 0) {
            written_ += static_cast<std::uint64_t>(count);
            pending_start_ += static_cast<std::size_t>(count);
            if (unwritten() == 0) {
                pending_.clear();
                pending_start_ = 0;
            }
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EPIPE) {
            lose("the reader of standard output is gone");
        } else if (errno != EINTR) {
            lose(system_error("write to standard output").what());
        }
    }
}

void CountingWriter::refresh(bool told) {
    std::uint64_t now = written_;
    if (promise_ == Promise::committed && kind_ == Kind::pipe) {
        const std::uint64_t standing =
            standing_bytes(fd_);  // others' bytes included: more than ours at the start
        now = written_ > standing ? written_ - standing : 0;
    } else if (promise_ == Promise::committed && kind_ == Kind::file && written_ > committed_ &&
               ::fdatasync(fd_) != 0) {
        return lose(system_error("write standard output to disk").what());
    }
    if (now > committed_) {
        committed_ = now;
        hint_ = told ? hint_if_told : shortest_hint;
    }
    if (promise_ == Promise::written && unwritten() == 0) return;  // the next write(2) tells of a hang-up
    pollfd ask{fd_, 0, 0};
    if (kind_ != Kind::file && ::poll(&ask, 1, 0) > 0 && (ask.revents & (POLLERR | POLLHUP)) != 0 && !gone_) {
        // What it consumed before it went still counts.
        if (promise_ == Promise::committed && kind_ == Kind::pipe) {
            const std::uint64_t standing = standing_bytes(fd_);
            committed_ = std::max(committed_, written_ > standing ? written_ - standing : 0);
        }
        lose("the reader of standard output is gone");
    }
}

void CountingWriter::lose(const std::string &why) {
    gone_ = true;
    why_ = why;
}

microseconds CountingWriter::wait_hint() {
    const auto hint = hint_;
    hint_ = std::min(hint_ * 2, longest_hint);
    return hint;
}

}  // namespace ble
