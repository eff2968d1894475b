#include "blesub/doctor.hpp"

#include "base/log.hpp"
#include "batch/finding.hpp"
#include "blesub/options.hpp"
#include "transport/broker_doctor.hpp"

namespace ble {

ExitCode print_receive_diagnosis(const ReceiveOptions &options) {
    if (log_level() < LogLevel::debug) set_log_level(LogLevel::error);  // the report has what they would say
    BrokerVisit visit;
    visit.listen = std::chrono::seconds(12);  // a Pi sends every ten, unless it was told otherwise
    visit.subscribe = filters_of(options.mqtt.topic, options.part.shards);
    auto findings = examine_brokers(options.mqtt, visit);
    findings.push_back(examine_room("reject", options.reject));
    return report(findings, {"could_receive", "Batches can be received.", "No batch can be received."},
                  options.doctor);
}

}  // namespace ble
