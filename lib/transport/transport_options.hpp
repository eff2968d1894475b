// What make_transport() needs to know.
#pragma once

#include <cstddef>
#include <string>

#include "transport/http.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

struct TransportOptions {
    MqttOptions mqtt;
    std::size_t inflight = 64;  // messages outstanding at most, where the protocol allows several
    std::string status_topic;   // MQTT: empty: none
    HttpOptions http;
};

}  // namespace ble
