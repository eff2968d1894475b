// What is wrong with a TLS connection. The libraries say "certificate verify failed" for an expired
// certificate, an unknown issuer and another host name alike, or nothing at all; so we connect once more and look. Also what is wrong with a
// port: TLS at a port without it, no TLS at a port with it, MQTT to an HTTP server, HTTP to a broker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace ble {

struct TlsPeer {
    std::string name;     // whom its certificate must name: a host name or an address
    std::string address;  // where it is, a numeric one; look_at_tls_later() finds it when it is empty
    std::uint16_t port = 0;
    std::string cafile, capath, cert,
        key;                // as of the options; empty: the system's authorities, no certificate of ours
    bool insecure = false;  // its certificate is not looked at
    enum class Protocol { mqtt, http } protocol = Protocol::mqtt;  // that we speak there
    bool tls = true;                                               // and whether by TLS
};

// Connects, shakes hands and hangs up; where that shows no TLS, connects again and asks in plain MQTT and HTTP. Blocks for at most `limit`. Empty: nothing wrong was found, or nothing answers.
std::string diagnose_tls(const TlsPeer &peer, std::chrono::milliseconds limit);

// The same in a new thread, which then calls `tell` with the result. The thread may outlive the
// caller, so `tell` must own what it needs.
void look_at_tls_later(TlsPeer peer, std::function<void(const std::string &found)> tell);

}  // namespace ble
