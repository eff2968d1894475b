// What make_transport() needs to know.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "transport/http.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

struct TransportOptions {
    MqttOptions mqtt;
    std::size_t inflight = 64;  // messages outstanding at most, where the protocol allows several
    std::string status_topic;   // MQTT: empty: none
    // MQTT: "received", delivered when the broker has it, or "stored", when the backend says that it has it for good.
    std::string confirm = "received";
    std::string confirm_key_file;  // as find_confirm_key() has it
    std::chrono::milliseconds confirm_timeout = std::chrono::seconds(60);
    std::optional<std::string>
        confirm_key;  // "stored": a confirmation without its mac is ignored; never logged
    HttpOptions http;

    // Reads password, API key and key of confirmations of `mode` again, from where they were found at first. Error(config):
    // one of them cannot be read; then none has changed.
    void reread_secrets(const std::string &mode);
};

}  // namespace ble
