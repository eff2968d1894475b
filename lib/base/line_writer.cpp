#include "base/line_writer.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/pipe_size.hpp"

namespace ble {

LineWriter::LineWriter(int fd, int stop_fd, std::function<bool()> stopping)
    : fd_(fd), stop_fd_(stop_fd), stopping_(std::move(stopping)) {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) throw system_error("write to standard output", ExitCode::io);
    file_ = S_ISREG(info.st_mode);
    torn_before_ = has_leftovers(fd_);
}

void LineWriter::line(std::string_view text) {
    constexpr std::size_t enough = 64 * 1024;
    if (std::exchange(torn_before_, false)) buffer_.append(1, '\n');
    buffer_.append(text).append(1, '\n');
    if (buffer_.size() >= enough) flush();
}

void LineWriter::flush() {
    // Emptied first: what cannot be written is not tried again by whoever catches the reason.
    std::string lines;
    lines.swap(buffer_);
    for (std::string_view rest = lines; !rest.empty();) write_some(rest);
    lines.clear();
    lines.swap(buffer_);
}

void LineWriter::write_some(std::string_view &rest) {
    // Never more than there is room for: a write(2) that blocks would not see a signal.
    const std::size_t room = file_ ? rest.size() : room_now(fd_);
    if (room == 0) return wait_for_reader();
    const auto count = ::write(fd_, rest.data(), std::min(room, rest.size()));
    if (count >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
        wait_for_reader();
    } else if (errno == EPIPE) {
        throw ReaderGone();
    } else if (errno != EINTR) {
        throw system_error("write to standard output", ExitCode::io);
    }
}

void LineWriter::wait_for_reader() {
    constexpr int grace_ms = 1000;
    // Asked each time: the wish to stop may have been heard elsewhere, and then shows on stop_fd_ no more.
    const bool stopping = stopping_ && stopping_();
    pollfd ask[] = {{fd_, POLLOUT, 0}, {stop_fd_, POLLIN, 0}};
    if (::poll(ask, stopping ? 1 : 2, stopping ? grace_ms : -1) != 0) return;
    throw Error(ExitCode::io,
                "stopped while the reader of standard output takes nothing: the last lines are cut off");
}

}  // namespace ble
