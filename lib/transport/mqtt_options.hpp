// Where the broker is and how to get in: the options that blesend and blesub share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "transport/mqtt_server.hpp"

namespace ble {

class CommandLine;

constexpr std::chrono::seconds least_keepalive(5);  // libmosquitto takes no shorter one

struct MqttOptions {
    std::string brokers;       // as given with --broker: names or addresses, with commas between
    std::int64_t port = 1883;  // of those that are named without one
    // In the order they were given; settled by validate_mqtt_options(). All are asked in the same manner, one after the other.
    std::vector<MqttServer> servers;
    std::string topic = "tfg/detections/raw";
    std::string username, password_file;
    std::string client_id;  // empty: random (MqttSession)
    std::chrono::milliseconds keepalive = std::chrono::seconds(60);
    bool tls = false;
    std::string cafile, capath, cert, key;
    bool insecure = false;         // TLS without looking at the certificate
    std::string version = "auto";  // auto, 5, 3.1.1
    std::string proxy_url;         // for WebSocket; empty: that of the environment
    std::string alpn;              // the protocol's name in the TLS handshake (RFC 7301); empty: none is told
    // Set by validate_mqtt_options() from the file, the environment or the credentials folder; never logged.
    std::optional<std::string> password;

    bool configured() const { return !brokers.empty() || !servers.empty(); }
};

// Declares all of them, --topic with a help of the tool's. --url is the tool's own option, since blesend's may also be http: see
// apply_mqtt_urls().
void declare_mqtt_options(MqttOptions &options, CommandLine &line, const std::string &topic_help);

// Takes servers, user name, topic and TLS from URLs (parse_mqtt_url()); the last three must be the same in all of them.
// Call before validate_mqtt_options(). Error(usage), or Error(config) when they came from the environment, when one is malformed,
// carries a password, or says something else than --broker, --port, --username or --topic do.
void apply_mqtt_urls(MqttOptions &options, const std::vector<std::string> &urls, const CommandLine &line);

// Checks what can be checked without connecting, settles servers and TLS, reads the password. Error(config) without a server.
void validate_mqtt_options(MqttOptions &options, const CommandLine &line);

// The password out of the file, MQTT_PASSWORD, its _FILE or the credentials folder; empty: there is none. Error(config): unreadable.
std::optional<std::string> find_password(const MqttOptions &options);

// For the start of a tool: warns when the password would go unencrypted over a network.
void warn_of_plain_password(const MqttOptions &options);
void warn_of_plain_password(const MqttServer &server);

// The key of confirmations (batch/confirmation.hpp) out of `file` or, with an empty one, CONFIRM_KEY, CONFIRM_KEY_FILE or the
// credentials folder. Empty: there is none. Error(config) when it cannot be read or is too short. Holding it forbids core dumps.
std::optional<std::string> find_confirm_key(const std::string &file);

// Throw Error(usage) or Error(config) unless `topic` is one that can be published to ("{device_id}" and "{shard}" may stand in it: see
// batch/topic.hpp), or subscribed to ("{shard}" may).
void check_topic_name(const std::string &topic, const CommandLine &line);
void check_topic_filter(const std::string &topic, const CommandLine &line);
// The same unless `group` can name those who share a subscription to `topic` (MQTT 5, 4.8.2; --share).
void check_group(const std::string &group, const std::string &topic, const CommandLine &line);

}  // namespace ble
