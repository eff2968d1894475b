#include "base/clocks.hpp"

#include <sys/sysinfo.h>

#include <fstream>

#include "base/host.hpp"

namespace ble {
namespace {

std::string read_boot_id() {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id.empty() ? unknown_boot : id;
}

}  // namespace

Clocks read_clocks() {
    static const std::string boot = read_boot_id();
    struct sysinfo info {};
    ::sysinfo(&info);  // fails for a bad pointer only
    return {now(), std::chrono::seconds(info.uptime), boot, clock_synced()};
}

}  // namespace ble
