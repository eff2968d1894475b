// A client of libmosquitto for one link: its settings, and the way to the broker. A part of MosquittoLink.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "base/unique_fd.hpp"
#include "transport/address_race.hpp"
#include "transport/mqtt_link.hpp"
#include "transport/mqtt_options.hpp"

struct mosquitto;

namespace ble {

class MosquittoLink;

// Shared with the thread that connects, which may outlive the link.
struct MosquittoClient {
    // Error(system) when libmosquitto refuses, Error(config) when it cannot use the certificates. `owner`, for the callbacks, is never
    // looked at here.
    MosquittoClient(const MqttAttempt &attempt, MosquittoLink *owner);
    ~MosquittoClient();
    MosquittoClient(const MosquittoClient &) = delete;
    MosquittoClient &operator=(const MosquittoClient &) = delete;

    // Finds the address of the next hop and, where that is the broker itself, connects; blocks. Then `dialled` is true, and `found`, `code`
    // and `error` tell what came of it.
    void dial(const AddressMemory &memory);
    // Connects to ourselves, for a tunnel: the other end. `code` and `error` as of dial(). Error(system).
    UniqueFd connect_within();
    // An error of libmosquitto, for people. `error`: errno behind it.
    std::string trouble_text(int result, int errno_behind) const;

    // Ends the connection so that the broker still gets what was written: half-closes it, and reads what comes until the
    // broker has closed it as well, for `limit` at most. (With unread data a close would make the kernel reset the connection, and the broker
    // would lose data.) `polite`: with a DISCONNECT; else what is queued in the library stays unsent.
    void part(bool polite, std::chrono::milliseconds limit);

    MosquittoLink *link;
    mosquitto *handle = nullptr;
    std::string trouble;  // the library's first complaint; the other thread's until `dialled`
    FoundAddress found;   // this and the next two likewise
    int code = 0, error = 0;
    std::atomic<bool> dialled{false};

  private:
    void configure(const MqttSession &session);
    void configure_tls();
    bool uses_tls() const { return options_.tls && !server_.websocket; }  // else a tunnel does
    int connect(const std::string &host, int port) const;

    MqttOptions options_;
    MqttServer server_;
    bool five_, persistent_;
    std::size_t window_;  // 0: none
};

}  // namespace ble
