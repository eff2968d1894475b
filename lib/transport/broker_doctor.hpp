// --doctor for the way to a broker: which steps work, and what to type for the first one that does not.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "batch/finding.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

// What is tried at a broker, with a random client id, so that no session is disturbed.
struct BrokerVisit {
    // An empty message is published there, which every blesub ignores. Empty: nothing is published.
    std::string publish;
    std::vector<std::string>
        subscribe;  // filters; messages that come are dropped, and other subscribers still get them
    // Waits this long for a message there: only that shows the right to read, because a broker may grant a subscription and deliver nothing.
    std::chrono::seconds listen{0};
};

// For each server: "name" (its address is found), "broker" (it answers), "tls", "login", and as far as asked "publish" and "subscribe".
// A server that is not reached, while another one works, is a warning. Takes up to half a minute a server.
Findings examine_brokers(const MqttOptions &options, const BrokerVisit &visit);

// "name": does it have an address?
Finding examine_name(const std::string &host);

}  // namespace ble
