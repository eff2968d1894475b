#include "base/host.hpp"

#include <sys/timex.h>
#include <unistd.h>

namespace ble {

std::string default_device_id() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    const std::string id = name;
    return id.size() < 3 ? "host-" + id : id.substr(0, 50);
}

bool clock_synced() {
    timex state{};
    return ::adjtimex(&state) != TIME_ERROR;
}

}  // namespace ble
