// What blesub is told by its command line and the environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "batch/finding.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/mqtt_subscriber.hpp"

namespace ble {

struct ReceiveOptions {
    CommonOptions common;
    MqttOptions mqtt;
    MqttSubscriber::Part part;
    std::string shards, ack = "consumed";
    std::string reject = default_state_path("blesub.rejected.ndjson"), confirm_key_file;
    std::vector<std::string> urls;
    std::optional<std::string> confirm_key;
    std::int64_t count = 0, window = 100;
    bool confirm = false, topic_device = false;
    DoctorOptions doctor;
};

void declare_receive_options(ReceiveOptions &options, CommandLine &line);
// Error(usage), or Error(config) where the environment is wrong.
void validate_receive_options(ReceiveOptions &options, const CommandLine &line);

// MQTT_ENABLED=false: there is nothing to do.
bool disabled_by_environment();

}  // namespace ble
