#include "transport/transport.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
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
         if (options.confirm == "stored") return std::make_unique<ConfirmedPublisher>(options);
         return std::make_unique<MqttPublisher>(options.mqtt, options.inflight, options.status_topic);
     }},
    {"http",
     [](const TransportOptions &options) -> std::unique_ptr<Transport> {
         return std::make_unique<HttpTransport>(options.http, options.inflight);
     }},
};

}  // namespace

std::vector<std::string> transport_modes() {
    std::vector<std::string> modes;
    for (const auto &row : transports) modes.emplace_back(row.mode);
    return modes;
}

void TransportOptions::reread_secrets(const std::string &mode) {
    if (mode == "http") {
        auto key = find_api_key(http);
        check_still_there(http.api_key.has_value(), key.has_value(), "the API key");
        http.api_key = std::move(key);
        return;
    }
    auto password = find_password(mqtt);
    check_still_there(mqtt.password.has_value(), password.has_value(), "the password");
    if (confirm == "stored") {
        auto key = find_confirm_key(confirm_key_file);
        check_still_there(confirm_key.has_value(), key.has_value(), "the key of confirmations");
        confirm_key = std::move(key);
    }
    mqtt.password = std::move(password);
}

std::unique_ptr<Transport> make_transport(const std::string &mode, const TransportOptions &options) {
    if (options.mqtt.insecure)
        log_warning("--insecure: anyone could pretend to be the " +
                    std::string(mode == "http" ? "server" : "broker"));
    if (mode == "http")
        warn_of_plain_key(options.http);
    else
        warn_of_plain_password(options.mqtt);
    for (const auto &row : transports)
        if (mode == row.mode) return row.make(options);
    throw Error(ExitCode::software, "no transport is named " + mode);
}

}  // namespace ble
