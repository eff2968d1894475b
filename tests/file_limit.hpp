// A full disk, for this process.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <cstdint>

namespace ble::test {

// Files of this process grow to so many bytes at most: writing fails as on a full disk.
class FileLimit {
  public:
    explicit FileLimit(std::uintmax_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
    FileLimit(const FileLimit &) = delete;
    FileLimit &operator=(const FileLimit &) = delete;

  private:
    rlimit before_{};
};

}  // namespace ble::test
