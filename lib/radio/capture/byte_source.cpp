#include "radio/capture/byte_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/error.hpp"
#include "base/gunzip.hpp"

namespace ble {

ByteSource::ByteSource(int fd, std::string name, WaitReadable wait)
    : fd_(fd), name_(std::move(name)), wait_(std::move(wait)), buffer_(buffer_size) {}
ByteSource::ByteSource(ByteSource &&) noexcept = default;
ByteSource::~ByteSource() = default;

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
    if (ended_ || end_ == buffer_.size()) return false;
    auto *into = buffer_.data() + end_;
    const std::size_t room = buffer_.size() - end_;
    const auto got = gunzip_ ? unpack(into, room) : read(into, room);
    end_ += got;
    read_ += got;
    if (!begun_ && available() >= 2) {
        begun_ = true;
        if (buffer_[0] == 0x1f && buffer_[1] == 0x8b) {
            gunzip_ = std::make_unique<Gunzip>(std::span(buffer_).first(end_));
            start_ = end_ = 0;
            read_ = 0;
            return fill();
        }
    }
    return got > 0;
}

// 0: the end.
std::size_t ByteSource::read(std::uint8_t *into, std::size_t size) {
    while (!ended_) {
        if (wait_ && !wait_(fd_)) {
            given_up_ = ended_ = true;
            break;
        }
        const ssize_t got = ::read(fd_, into, size);
        if (got > 0) {
            read_of_input_ += static_cast<std::uint64_t>(got);
            return static_cast<std::size_t>(got);
        }
        if (got == 0) {
            ended_ = true;
        } else if (errno != EINTR && errno != EAGAIN) {
            throw system_error("read " + name_, ExitCode::io);
        }
    }
    return 0;
}

std::size_t ByteSource::unpack(std::uint8_t *into, std::size_t size) {
    for (;;) {
        if (const auto got = gunzip_->unpack(into, size)) return got;
        if (gunzip_->damaged()) {
            damage_ = "is damaged in its gzip data";
            ended_ = true;
            return 0;
        }
        const auto more = gunzip_->room();
        const auto got = read(more.data(), more.size());
        if (got == 0) {
            if (!given_up_ && !gunzip_->complete()) damage_ = "ends inside its gzip data";
            return 0;
        }
        gunzip_->fed(got);
    }
}

}  // namespace ble
