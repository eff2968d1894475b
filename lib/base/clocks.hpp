// What this machine's clocks say at one moment. The wall clock may be set, by people, NTP or a hypervisor; the uptime
// cannot, and says how much time has really passed since the machine started.
#pragma once

#include <chrono>
#include <string>

#include "base/timestamp.hpp"

namespace ble {

// Used when boot_id cannot be read, as under systemd's ProcSubset=pid: the same in all processes and all starts.
// A positive difference of two uptimes is then still no more than the time that passed.
inline constexpr char unknown_boot[] = "unknown";

// Time since the start of the machine, including sleep; it cannot be set: CLOCK_BOOTTIME.
struct UptimeClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<UptimeClock>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept;
};

struct Clocks {
    Time wall{};
    std::chrono::seconds uptime{0};  // of UptimeClock, rounded up as sysinfo(2) does
    std::string boot;                // which start that was: /proc/sys/kernel/random/boot_id, or unknown_boot
    bool synced = false;             // the kernel says that the wall clock is synchronised: adjtimex(2)
};

// What Clocks::boot says of this start.
const std::string &boot_id();

// Cheap enough for every transaction. Thread-safe.
Clocks read_clocks();

}  // namespace ble
