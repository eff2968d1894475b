// What a broker says when it ends the link: the properties of a DISCONNECT (MQTT 5, 3.14), which libmosquitto does not pass on.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ble {

struct MqttDisconnect {
    int reason = 0;
    std::string words{};   // Reason String; outside text
    std::string server{};  // Server Reference; outside text
};

// `bytes`: what the broker sends next. Empty: they do not end with a whole and sound DISCONNECT of MQTT 5 with that reason. A broker sends
// nothing after it.
std::optional<MqttDisconnect> find_mqtt_disconnect(std::string_view bytes, int reason);

constexpr unsigned char mqtt_disconnect_head = 0xe0;  // MQTT 5, 3.14.1

}  // namespace ble
