#include "blesend/doctor.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/error.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "batch/confirmation.hpp"
#include "batch/finding.hpp"
#include "batch/topic.hpp"
#include "blesend/options.hpp"
#include "spool/spool_status.hpp"
#include "transport/broker_doctor.hpp"
#include "transport/http_doctor.hpp"

namespace ble {
namespace {

// A batch would tell it: the scanner of this machine has it from the same place.
std::string own_device_id() {
    const char *given = std::getenv("DEVICE_ID");
    return given != nullptr && *given != '\0' ? given : default_device_id().id;
}

std::string with(std::string topic, std::string_view name, const std::string &value) {
    const auto at = topic.find(name);
    return at == std::string::npos ? topic : topic.replace(at, name.size(), value);
}

Findings examine_broker_leg(const SendOptions &options) {
    const auto device = own_device_id();
    const auto &mqtt = options.transport.mqtt;
    BrokerVisit visit;
    visit.publish = with(with(mqtt.topic, TopicPattern::device, device), TopicPattern::shard,
                         std::string(1, shard_of(device)));
    if (options.transport.confirm == "stored") visit.subscribe = {confirmation_topic(visit.publish, device)};
    return examine_brokers(mqtt, visit);
}

Finding examine_spool(const SendOptions &options) {
    constexpr const char *name = "spool";
    if (options.spool.empty()) return Finding::ok(name, "in memory: what waits there is lost with blesend");
    auto room = examine_room(name, options.spool);
    if (room.verdict == Finding::Verdict::failed) return room;
    if (::access(options.spool.c_str(), F_OK) != 0) return room;
    try {
        const auto status = read_spool_status(options.spool, options.max_age);
        room.found = std::to_string(status.batches) + " batches wait, " + std::to_string(status.dropped) +
                     " were dropped so far; " + room.found;
    } catch (const Error &error) {
        return Finding::failed(name, error.what(), "ls -l " + options.spool);
    }
    return room;
}

}  // namespace

ExitCode print_send_diagnosis(const SendOptions &options) {
    if (log_level() < LogLevel::debug) set_log_level(LogLevel::error);  // the report has what they would say
    auto findings =
        options.mode == "http" ? examine_http_servers(options.transport.http) : examine_broker_leg(options);
    findings.push_back(examine_spool(options));
    findings.push_back(examine_clock());
    return report(findings, {"could_send", "Batches can be sent.", "No batch can be sent."}, options.doctor);
}

}  // namespace ble
