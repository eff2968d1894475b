// --doctor for servers: port and certificate.
#pragma once

#include <cstdint>
#include <string>

#include "batch/finding.hpp"
#include "server/server_tls.hpp"

namespace ble {

struct ServerPlace {
    std::string bind;
    std::uint16_t port = 0;
    std::string prefix;   // before /health
    std::string service;  // as its /health names it
};

// "port": free, or already served by this very service. It is taken and given back at once.
// With TLS also "certificate": for how long it is good.
Findings examine_server(const ServerPlace &place, const TlsFiles &tls);
// As examine_clock(), but it is no fault if a sandbox forbids the question: this clock does not date what is stored.
Finding examine_server_clock();

}  // namespace ble
