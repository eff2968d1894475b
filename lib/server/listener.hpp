// The socket that a server listens on.
#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace ble {

struct Listener {
    UniqueFd fd;          // non-blocking
    std::string address;  // as it stands in a URL: "127.0.0.1", "[::1]"
    std::uint16_t port = 0;
};

// Binds the first address that `bind` (an address or a host name) stands for and that can be bound, and listens.
// `port` 0: the system chooses. `send_buffer`: SO_SNDBUF of its connections in bytes; 0: the system's.
// `option`: by which the user gave the address, for errors; empty: --bind and --port.
// Error(unavailable) when the port is taken, Error(permission) when it is privileged, Error(config) when the address is
// unknown or not ours.
Listener open_listener(const std::string &bind, std::uint16_t port, int send_buffer,
                       const std::string &option = {});

}  // namespace ble
