// A broker, as it is named on the command line or by another broker.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transport/proxy.hpp"

namespace ble {

struct MqttServer {
    std::string host;                     // name or address (IPv6 without brackets)
    std::int64_t port = 0;                // 0: not said
    bool websocket = false;               // by ws:// or wss://
    std::string path = "/mqtt";           // of the WebSocket
    std::optional<ProxyAddress> proxy{};  // of the WebSocket

    std::string address() const;  // "host:port", "[::1]:8883": for messages
    std::pair<std::string, std::int64_t> next_hop()
        const;  // host and port that we connect to: a proxy's, or the broker's
};

// All of these throw std::string, what is wrong, without repeating the text: a password may stand in it.

// NAME[:PORT], ADDRESS[:PORT] or [IPV6][:PORT]; an IPv6 address without a port may do without brackets.
MqttServer parse_mqtt_server(std::string_view text);
// Several, with commas between.
std::vector<MqttServer> parse_mqtt_servers(std::string_view text);

struct MqttUrl {
    MqttServer server;  // its port may be 0
    bool tls = false;
    std::int64_t usual_port = 0;  // of the scheme
    std::string user, topic;      // empty: not said
};
// mqtt[s]://[USER@]HOST[:PORT][/TOPIC] or ws[s]://[USER@]HOST[:PORT][/PATH]
MqttUrl parse_mqtt_url(std::string_view url);

// The server that a broker's Server Reference (MQTT 5, 4.11) names: the first one in the list that can be understood. What it does
// not say is as in `from`, the broker that sent it. Empty: none.
std::optional<MqttServer> parse_server_reference(std::string_view text, const MqttServer &from);

}  // namespace ble
