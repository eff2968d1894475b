// What this machine says about itself.
#pragma once

#include <string>
#include <string_view>

namespace ble {

std::string host_name();

// Is it a name that many machines have, since systems for small computers come with it: raspberrypi, localhost …?
bool is_usual_host_name(std::string_view host_name);

// Six hexadecimal digits that are this machine's own: of an HMAC-SHA-256 under /etc/machine-id, which itself is told to
// nobody, as machine-id(5) asks. Empty: the machine has no id (file missing, empty, "uninitialized" or zeros).
std::string machine_digits();

// A device_id of 3 to 50 characters for a scanner that was given none: the host name, where that is a usual one followed
// by the machine's digits, if there are any.
std::string device_id_of(std::string_view host_name, std::string_view digits);

// That of this machine, and what it is made of, for people.
struct DefaultDeviceId {
    std::string id, made_of;
    bool shared = false;  // nothing in it is this machine's own: others are likely to have the same
};
DefaultDeviceId default_device_id();

// Does the kernel say that the machine's clock is synchronised (adjtimex)? False as well where it may not be asked.
bool clock_synced();

}  // namespace ble
