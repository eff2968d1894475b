#include "base/unique_fd.hpp"

#include <unistd.h>

namespace ble {

UniqueFd::~UniqueFd() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace ble
