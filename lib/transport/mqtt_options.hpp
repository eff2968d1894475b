// Where the broker is and how to get in: the options that blesend and blesub share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "transport/proxy.hpp"

namespace ble {

class CommandLine;

constexpr std::chrono::seconds least_keepalive(5);  // libmosquitto takes no shorter one

struct MqttOptions {
    std::string host;          // name or address (IPv6 without brackets); empty: not configured
    std::int64_t port = 1883;  // validate_mqtt_options() makes it 8883 with TLS when it was not set
    std::string topic = "tfg/detections/raw";
    std::string username, password_file;
    std::string client_id;  // empty: random, chosen by the publisher or subscriber
    std::chrono::milliseconds keepalive = std::chrono::seconds(60);
    bool tls = false;
    std::string cafile, capath, cert, key;
    bool insecure = false;         // TLS without looking at the certificate
    std::string version = "auto";  // auto, 5, 3.1.1
    bool from_url = false;         // apply_mqtt_url() has set host and port
    bool websocket = false;        // ws:// or wss://
    std::string websocket_path = "/mqtt";
    std::string
        proxy_url;  // for WebSocket; empty: that of the environment, settled by validate_mqtt_options()
    std::optional<ProxyAddress> proxy;  // settled by validate_mqtt_options()
    std::string alpn;  // the protocol's name in the TLS handshake (RFC 7301); empty: none is told
    // Set by validate_mqtt_options() from the file, the environment or the credentials folder; never logged.
    std::optional<std::string> password;

    std::string address() const;  // "host:port", "[::1]:8883": for messages
    std::pair<std::string, std::int64_t> next_hop()
        const;  // host and port that we connect to: a proxy's, or the broker's
};

// Declares all of them, --topic with a help of the tool's. --url is the tool's own option, since blesend's may also be http: see
// apply_mqtt_url().
void declare_mqtt_options(MqttOptions &options, CommandLine &line, const std::string &topic_help);

// Takes host, port, user name, topic and TLS from mqtt[s]://[USER@]HOST[:PORT][/TOPIC], or from ws[s]://[USER@]HOST[:PORT][/PATH] all but
// the topic. Call before
// validate_mqtt_options(). Error(usage), or Error(config) when the URL came from the environment, when it is
// malformed, carries a password, or says something else than --host, --port, --username or --topic do.
void apply_mqtt_url(MqttOptions &options, const std::string &url, const CommandLine &line);

// Checks what can be checked without connecting, settles TLS and port, reads the password. An absent host is left to
// the caller: only it knows whether a broker is needed.
void validate_mqtt_options(MqttOptions &options, const CommandLine &line);

// The password out of the file, MQTT_PASSWORD, its _FILE or the credentials folder; empty: there is none. Error(config): unreadable.
std::optional<std::string> find_password(const MqttOptions &options);

// For the start of a tool: says that the password is on its way for everybody to read, when it is.
void warn_of_plain_password(const MqttOptions &options);

// The key of confirmations (batch/confirmation.hpp) out of `file` or, with an empty one, CONFIRM_KEY, CONFIRM_KEY_FILE or the
// credentials folder. Empty: there is none. Error(config) when it cannot be read or is too short. Holding it forbids core dumps.
std::optional<std::string> find_confirm_key(const std::string &file);

// Throw Error(usage) or Error(config) unless `topic` is one that can be published to ("{device_id}" may stand in it: see
// batch/topic.hpp), or subscribed to.
void check_topic_name(const std::string &topic, const CommandLine &line);
void check_topic_filter(const std::string &topic, const CommandLine &line);

}  // namespace ble
