// A WebSocket's opening handshake (RFC 6455, 4.2.1). libwebsockets would hang up on a faulty one without an answer.
#pragma once

#include <string>
#include <string_view>

namespace ble {

struct Handshake {
    // Host, Connection, Sec-WebSocket-Key, Sec-WebSocket-Protocol; empty: absent
    std::string host, connection, key, protocols;
};

// What is wrong with it, for a server that speaks the subprotocol `known`; empty: nothing. A client that asks for subprotocols
// and gets none of them must give up (browsers do), so this is an error too.
std::string handshake_fault(const Handshake &handshake, std::string_view known);

}  // namespace ble
