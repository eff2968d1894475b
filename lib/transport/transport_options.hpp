// What make_transport() needs to know.
#pragma once

#include <chrono>
#include <cstddef>
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
    std::chrono::milliseconds confirm_timeout = std::chrono::seconds(60);
    HttpOptions http;
};

}  // namespace ble
