#include "radio/capture/byte_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace ble {

ByteSource::ByteSource(int fd, std::string name, WaitReadable wait)
    : fd_(fd), name_(std::move(name)), wait_(std::move(wait)), buffer_(buffer_size) {}

const std::uint8_t *ByteSource::need(std::size_t bytes) {
    while (available() < bytes)
        if (!fill()) return nullptr;
    return buffer_.data() + start_;
}

bool ByteSource::skip(std::uint64_t bytes) {
    while (bytes > available()) {
        bytes -= available();
        start_ = end_;
        if (!fill()) return false;
    }
    start_ += static_cast<std::size_t>(bytes);
    return true;
}

bool ByteSource::fill() {
    if (start_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + start_, available());
        end_ -= start_;
        start_ = 0;
    }
    while (!ended_ && end_ < buffer_.size()) {
        if (wait_ && !wait_(fd_)) {
            given_up_ = ended_ = true;
            break;
        }
        const ssize_t got = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
        if (got > 0) {
            end_ += static_cast<std::size_t>(got);
            read_ += static_cast<std::uint64_t>(got);
            return true;
        }
        if (got == 0) {
            ended_ = true;
        } else if (errno != EINTR && errno != EAGAIN) {
            throw system_error("read " + name_, ExitCode::io);
        }
    }
    return false;
}

}  // namespace ble
