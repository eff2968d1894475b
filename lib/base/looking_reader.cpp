#include "base/looking_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "base/pipe_size.hpp"

namespace ble {
namespace {

constexpr std::size_t shown_of_oversize = 256;

// A FIFO that is held open for its two ends is one open file in several processes, the holder included: a flock(2) on it
// excludes none of them, and outlives us. So it gets a lock of the process (fcntl), which dies with us. The reading end of
// a pipe cannot have that one exclusively: it gets the flock(2) as well.
void lock_for_one_reader(int fd, const std::string &name) {
    const bool held = (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    struct flock lock {};
    lock.l_type = held ? F_WRLCK : F_RDLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &lock) == 0 && (held || ::flock(fd, LOCK_EX | LOCK_NB) == 0)) return;
    if (errno != EAGAIN && errno != EACCES) throw system_error("lock " + name);
    throw Error(ExitCode::unavailable, name +
                                           " is already being read by another process: a pipe has one "
                                           "reader; give this one a FIFO of its own");
}

short poll_now(int fd) {
    pollfd ask{fd, POLLIN, 0};
    return ::poll(&ask, 1, 0) > 0 ? ask.revents : short{0};
}

}  // namespace

LookingReader::LookingReader(int fd, std::string name, std::size_t longest)
    : fd_(fd), name_(std::move(name)), longest_(longest), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) throw system_error("read " + name_, ExitCode::io);
    if (!epoll_) throw system_error("wait for " + name_);
    if (S_ISDIR(info.st_mode)) throw Error(ExitCode::io, "unable to read " + name_ + ": it is a directory");
    pipe_ = S_ISFIFO(info.st_mode);
    std::size_t capacity = pipe_capacity;
    if (pipe_) {
        lock_for_one_reader(fd_, name_);
        capacity = raise_pipe_size(fd_, name_);
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw system_error("make a pipe");
        copy_out_ = UniqueFd(ends[0]);
        copy_in_ = UniqueFd(ends[1]);
        raise_pipe_size(copy_in_.get(), "the private copy of " + name_);
        null_ = UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        if (!null_) throw system_error("open /dev/null");
    }
    buffer_.resize(capacity + read_padding);
    watch(EPOLL_CTL_ADD);
}

void LookingReader::watch(int operation) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    if (!always_ && ::epoll_ctl(epoll_.get(), operation, fd_, &event) == 0) return;
    if (!always_ && errno != EPERM) throw system_error("wait for " + name_);
    // Regular files and /dev/null cannot be waited for: they are always ready.
    if (!always_) {
        always_ = UniqueFd(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!always_) throw system_error("wait for " + name_);
        operation = EPOLL_CTL_ADD;
    }
    if (::epoll_ctl(epoll_.get(), operation, always_.get(), &event) != 0)
        throw system_error("wait for " + name_);
}

const std::vector<Line> &LookingReader::look() {
    epoll_event taken{};
    ::epoll_wait(epoll_.get(), &taken, 1, 0);  // takes the edge, before the look that answers it
    if (pipe_) {
        // Asked before the copy: what stands after a hang-up is all there will ever be.
        const bool hung_up = (poll_now(fd_) & POLLHUP) != 0;
        filled_ = peek();
        cut(hung_up && filled_ == standing_bytes());
    } else {
        read_more();
        cut(end_seen_);
    }
    if (lines_.empty() && looked_ > 0) consume();
    return lines_;
}

// A pipe that others made larger than our copy of it holds more than one look shows.
std::size_t LookingReader::standing_bytes() const {
    int count = 0;
    if (::ioctl(fd_, FIONREAD, &count) != 0) throw system_error("ask what stands in " + name_, ExitCode::io);
    return static_cast<std::size_t>(count);
}

std::size_t LookingReader::peek() {
    ssize_t standing = 0;
    do {
        standing = ::tee(fd_, copy_in_.get(), buffer_.size() - read_padding, SPLICE_F_NONBLOCK);
    } while (standing < 0 && errno == EINTR);
    if (standing < 0 && errno != EAGAIN) throw system_error("look at " + name_, ExitCode::io);
    std::size_t got = 0;
    while (standing > 0 && got < static_cast<std::size_t>(standing)) {
        const auto count =
            ::read(copy_out_.get(), buffer_.data() + got, static_cast<std::size_t>(standing) - got);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw system_error("look at " + name_, ExitCode::io);
        got += static_cast<std::size_t>(count);
    }
    return got;
}

void LookingReader::read_more() {
    const std::size_t capacity = buffer_.size() - read_padding;
    while (!end_seen_ && filled_ < capacity && poll_now(fd_) != 0) {
        const auto count = ::read(fd_, buffer_.data() + filled_, capacity - filled_);
        if (count > 0) {
            filled_ += static_cast<std::size_t>(count);
        } else if (count == 0) {
            end_seen_ = true;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            throw system_error("read " + name_, ExitCode::io);
        }
    }
}

void LookingReader::add(Line::Kind kind, std::size_t from, std::size_t to) {
    std::string_view text(buffer_.data() + from, to - from);
    if (text.size() > longest_) {
        kind = Line::Kind::oversize;
        text = text.substr(0, shown_of_oversize);
    }
    lines_.push_back({kind, text});
    ends_.push_back(looked_);
}

void LookingReader::cut(bool at_end) {
    lines_.clear();
    ends_.clear();
    looked_ = 0;
    bool skipping = skipping_;  // up to the next LF: the rest of an oversize line
    const char *const data = buffer_.data();
    while (const void *found = std::memchr(data + looked_, '\n', filled_ - looked_)) {
        const std::size_t from = looked_;
        const auto to = static_cast<std::size_t>(static_cast<const char *>(found) - data);
        looked_ = to + 1;
        if (!skipping && to > from) add(Line::Kind::whole, from, to);
        skipping = false;
    }
    const std::size_t from = looked_, rest = filled_ - looked_;
    if (at_end || skipping || rest > longest_) {
        looked_ = filled_;
        if (!skipping && rest > 0) add(Line::Kind::tail, from, filled_);
        skipping = skipping || rest > longest_;
    }
    skip_after_ = skipping;
    ended_ = at_end;
}

void LookingReader::consume() {
    consume(lines_.size());
}

void LookingReader::consume(std::size_t lines) {
    const bool all = lines >= lines_.size();
    const std::size_t bytes = all ? looked_ : lines == 0 ? 0 : ends_[lines - 1];
    discard(bytes);
    if (all)
        skipping_ = skip_after_;
    else if (bytes > 0)
        skipping_ = false;
    lines_.clear();
    ends_.clear();
    looked_ = 0;
    // What arrived meanwhile, or was left, shows as an edge again.
    watch(EPOLL_CTL_MOD);
}

void LookingReader::discard(std::size_t bytes) {
    if (!pipe_) {
        std::memmove(buffer_.data(), buffer_.data() + bytes, filled_ - bytes);
        filled_ -= bytes;
        return;
    }
    while (bytes > 0) {
        const auto count = ::splice(fd_, nullptr, null_.get(), nullptr, bytes, SPLICE_F_NONBLOCK);
        if (count > 0) {
            bytes -= static_cast<std::size_t>(count);
        } else if (count == 0 || errno == EAGAIN) {
            throw Error(ExitCode::unavailable,
                        "bytes vanished from " + name_ + ": another process reads it too");
        } else if (errno != EINTR) {
            throw system_error("consume " + name_, ExitCode::io);
        }
    }
}

}  // namespace ble
