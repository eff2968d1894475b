#include "base/pipe_size.hpp"

#include <fcntl.h>

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

}  // namespace ble
