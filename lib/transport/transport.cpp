#include "transport/transport.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "transport/confirmed_publisher.hpp"
#include "transport/mqtt_publisher.hpp"
#include "transport/transport_options.hpp"

namespace ble {
namespace {

struct Row {
    const char *mode;
    std::unique_ptr<Transport> (*make)(const TransportOptions &);
};

// A new transport is its files and a row here.
constexpr Row transports[] = {
    {"mqtt",
     [](const TransportOptions &options) -> std::unique_ptr<Transport> {
         if (options.confirm == "stored")
             return std::make_unique<ConfirmedPublisher>(options.mqtt, options.inflight, options.status_topic,
                                                         options.confirm_timeout);
         return std::make_unique<MqttPublisher>(options.mqtt, options.inflight, options.status_topic);
     }},
    {"http",
     [](const TransportOptions &options) -> std::unique_ptr<Transport> {
         return std::make_unique<HttpTransport>(options.http);
     }},
};

}  // namespace

std::vector<std::string> transport_modes() {
    std::vector<std::string> modes;
    for (const auto &row : transports) modes.emplace_back(row.mode);
    return modes;
}

std::unique_ptr<Transport> make_transport(const std::string &mode, const TransportOptions &options) {
    if (options.mqtt.insecure)
        log_warning("--insecure: anyone could pretend to be the " +
                    std::string(mode == "http" ? "server" : "broker"));
    for (const auto &row : transports)
        if (mode == row.mode) return row.make(options);
    throw Error(ExitCode::software, "no transport is named " + mode);
}

}  // namespace ble
