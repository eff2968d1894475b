#include "base/pipe_size.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <climits>

#include "base/error.hpp"

namespace ble {

std::size_t raise_pipe_size(int fd, const std::string &name) {
    int size = ::fcntl(fd, F_GETPIPE_SZ);
    if (size >= 0 && static_cast<std::size_t>(size) < pipe_capacity)
        size = ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(pipe_capacity));
    if (size >= 0) return static_cast<std::size_t>(size);
    throw Error(
        ExitCode::system,
        std::string(system_error("raise " + name + " to 1 MiB").what()) +
            "; this user's pipes have used up their quota: raise the sysctl fs.pipe-user-pages-soft (or "
            "fs.pipe-max-size when it is below 1048576), or close other pipelines");
}

bool has_leftovers(int fd) {
    struct stat info {};
    int standing = 0;
    return ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode) && ::ioctl(fd, FIONREAD, &standing) == 0 &&
           standing > 0;
}

std::size_t room_now(int fd) {
    pollfd ask{fd, POLLOUT, 0};
    int standing = 0;
    if (::poll(&ask, 1, 0) <= 0) return 0;
    if ((ask.revents & (POLLERR | POLLNVAL)) == 0 && (ask.revents & POLLOUT) == 0) return 0;
    // POLLOUT promises one free page. An empty pipe takes its whole capacity, which its other end may have changed.
    const bool empty = ::ioctl(fd, FIONREAD, &standing) == 0 && standing == 0;
    const int capacity = empty ? ::fcntl(fd, F_GETPIPE_SZ) : -1;  // of others than pipes there is none
    return capacity > 0 ? static_cast<std::size_t>(capacity) : PIPE_BUF;
}

}  // namespace ble
