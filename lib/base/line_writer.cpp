#include "base/line_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace ble {

void LineWriter::line(std::string_view text) {
    constexpr std::size_t enough = 64 * 1024;
    buffer_.append(text).append(1, '\n');
    if (buffer_.size() >= enough) flush();
}

void LineWriter::flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const auto count = ::write(fd_, rest.data(), rest.size());
        if (count >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            pollfd wait{fd_, POLLOUT, 0};
            ::poll(&wait, 1, -1);
        } else if (errno == EPIPE) {
            buffer_.clear();
            throw ReaderGone();
        } else if (errno != EINTR) {
            const Error error = system_error("write to standard output", ExitCode::io);
            buffer_.clear();
            throw error;
        }
    }
    buffer_.clear();
}

}  // namespace ble
