// What this machine says about itself, and what others call it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ble {

std::string host_name();

// Does this name or address, of a peer or to listen on, lead to the machine itself, whatever the network is: localhost, 127.0.0.0/8, ::1?
// Asks no name server.
bool is_own_machine(const std::string &host);

// The host and port of a URL or of a request's header Host.
struct UriHost {
    std::string name;         // in lower case, an IPv6 address without its brackets
    bool is_address = false;  // IPv4 or IPv6, not from a name server
    std::optional<int> port;  // 0 to 65535
};
// NAME, ADDRESS or [ADDRESS], with or without a port (RFC 3986, 3.2.2 and 3.2.3). Nothing: the text as a whole is
// not of this form. A name has letters, digits, '-' and '_', and dots between.
std::optional<UriHost> parse_uri_host(std::string_view text);

// Is it a default name that many machines have: raspberrypi, localhost …?
bool is_usual_host_name(std::string_view host_name);

// Six hexadecimal digits of this machine: from an HMAC-SHA-256 with /etc/machine-id as its key, which itself stays
// secret, as machine-id(5) asks. Empty: the machine has no id (file missing, empty, "uninitialized" or zeros).
std::string machine_digits();

// A device_id of 3 to 50 characters for a scanner without one: the host name; if that is a default name, followed
// by the machine's digits, if there are any.
std::string device_id_of(std::string_view host_name, std::string_view digits);

// That of this machine, and what it is made of, for people.
struct DefaultDeviceId {
    std::string id, made_of;
    bool shared = false;  // other machines probably have the same
};
DefaultDeviceId default_device_id();

// Does the kernel say that the machine's clock is synchronised (adjtimex)? Nothing if we may not ask, as in a sandbox.
std::optional<bool> kernel_clock_synced();
// False too if we may not ask.
inline bool clock_synced() {
    return kernel_clock_synced().value_or(false);
}

}  // namespace ble
