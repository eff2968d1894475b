// --doctor of what speaks to a broker: how far the leg goes, step by step, and what to type where it ends.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "batch/finding.hpp"
#include "transport/mqtt_options.hpp"

namespace ble {

// What is tried at a broker, with a client id of chance, so that no session is disturbed.
struct BrokerVisit {
    // A message without a byte goes there, which every blesub takes for none. Empty: nothing is published.
    std::string publish;
    std::vector<std::string>
        subscribe;  // filters; what comes there meanwhile is not kept, and nobody else misses it
    // Something is awaited there for so long: only that shows that it may be read, since a broker may grant what it then does not deliver.
    std::chrono::seconds listen{0};
};

// For each server: "name" (its address is found), "broker" (it answers), "tls", "login", and as far as asked "publish" and "subscribe".
// A server that is not reached, while another one works, is a warning. Takes up to half a minute a server.
Findings examine_brokers(const MqttOptions &options, const BrokerVisit &visit);

// "name": does it have an address?
Finding examine_name(const std::string &host);

}  // namespace ble
