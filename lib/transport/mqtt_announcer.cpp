#include "transport/mqtt_announcer.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

constexpr std::size_t most_outstanding = 100;
constexpr std::chrono::milliseconds close_limit(600);

}  // namespace

struct MqttAnnouncer::Impl {
    explicit Impl(const MqttOptions &given)
        : options(given), connection(options, MqttSession{given.client_id, "blesub-"}) {}

    MqttOptions options;
    MqttConnection connection;
    std::uint64_t next_id = 0;
    std::size_t outstanding = 0;
    bool denied = false;
};

MqttAnnouncer::MqttAnnouncer(const MqttOptions &options) : impl_(std::make_unique<Impl>(options)) {}
MqttAnnouncer::~MqttAnnouncer() = default;

void MqttAnnouncer::start() {
    impl_->connection.start();
}
int MqttAnnouncer::fd() const {
    return impl_->connection.fd();
}
std::chrono::milliseconds MqttAnnouncer::timeout() const {
    return impl_->connection.timeout();
}
void MqttAnnouncer::renew(const std::optional<std::string> &password) {
    impl_->options.password = password;
    impl_->connection.retry_soon();
}
void MqttAnnouncer::close() {
    impl_->connection.close(close_limit);
}

void MqttAnnouncer::step() {
    for (const auto &event : impl_->connection.step()) {
        if (event.kind == MqttEvent::Kind::lost) impl_->outstanding = 0;
        if (event.kind != MqttEvent::Kind::acknowledged) continue;
        --impl_->outstanding;
        const bool refused = event.reason >= mqtt::first_failure;
        if (refused && !impl_->denied)
            log_warning("the broker denies our confirmations: " + mqtt_reason_text(event.reason));
        impl_->denied = refused;
    }
}

bool MqttAnnouncer::ready() const {
    return impl_->connection.connected() &&
           impl_->outstanding < std::min(most_outstanding, impl_->connection.receive_maximum());
}

std::size_t MqttAnnouncer::packet_maximum() const {
    return impl_->connection.packet_maximum();
}

bool MqttAnnouncer::publish(const std::string &topic, std::string_view payload) {
    if (!ready() || !impl_->connection.publish(impl_->next_id++, topic, payload, false)) return false;
    ++impl_->outstanding;
    return true;
}

}  // namespace ble
