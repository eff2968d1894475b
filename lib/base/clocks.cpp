#include "base/clocks.hpp"

#include <ctime>
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

UptimeClock::time_point UptimeClock::now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);  // fails for a bad pointer only
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

const std::string &boot_id() {
    static const std::string boot = read_boot_id();
    return boot;
}

Clocks read_clocks() {
    const auto uptime = std::chrono::ceil<std::chrono::seconds>(UptimeClock::now().time_since_epoch());
    return {now(), uptime, boot_id(), clock_synced()};
}

}  // namespace ble
