// What this machine says about itself.
#pragma once

#include <string>

namespace ble {

// The host name, made to fit the 3 to 50 characters of a device_id: a shorter one is preceded by "host-".
std::string default_device_id();

// Does the kernel say that the machine's clock is synchronised (adjtimex)?
bool clock_synced();

}  // namespace ble
