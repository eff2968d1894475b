// What is wrong with a TLS connection, in words that help. The libraries say "certificate verify failed" of an expired
// certificate, an unknown issuer and another host name alike, or nothing at all; so the peer is looked at once more. And of a port that
// is the wrong one: TLS where there is none, or none where there is, MQTT to a server of HTTP, HTTP to a broker.
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

// The same in a thread of its own, since it connects once more; then `tell` gets what was found, there. The thread may outlive whoever
// calls, so `tell` owns what it needs.
void look_at_tls_later(TlsPeer peer, std::function<void(const std::string &found)> tell);

}  // namespace ble
