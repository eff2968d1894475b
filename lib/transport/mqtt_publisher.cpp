#include "transport/mqtt_publisher.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds first_pause(500), longest_pause(30'000);
constexpr std::uint64_t status_id = ~std::uint64_t{0};  // of "online" and "offline"
constexpr std::size_t publish_overhead =
    10;  // fixed header, topic length, packet identifier, property length
constexpr milliseconds farewell_limit(300), close_limit(600);

MqttSession make_session(const MqttOptions &options, const std::string &status_topic) {
    MqttSession session;
    session.client_id =
        options.client_id.empty() ? "blesend-" + random_id().substr(0, 12) : options.client_id;
    session.status_topic = status_topic;
    return session;
}

}  // namespace

struct MqttPublisher::Impl {
    MqttOptions options;
    std::size_t inflight;
    std::string status_topic;
    MqttConnection connection;
    std::unordered_set<std::uint64_t> outstanding;
    std::vector<Result> results;
    bool announcing = false;  // "online" has no PUBACK yet; it takes a place in the broker's receive maximum
    bool denied = false;      // the last PUBACK refused: one message at a time until one is taken
    Clock::time_point paused_until;
    Backoff pause{first_pause, longest_pause};

    void take(const MqttEvent &event);
    void acknowledge(const MqttEvent &event);
    void deny(const MqttEvent &event);
    void finish(std::uint64_t id, Outcome outcome, const std::string &reason);
};

MqttPublisher::MqttPublisher(const MqttOptions &options, std::size_t inflight,
                             const std::string &status_topic)
    : impl_(new Impl{options,
                     inflight,
                     status_topic,
                     {options, make_session(options, status_topic)},
                     {},
                     {},
                     false,
                     false,
                     {}}) {}

// A polite disconnect makes the broker forget the last will, so "offline" is said by ourselves.
MqttPublisher::~MqttPublisher() {
    auto &connection = impl_->connection;
    if (!impl_->status_topic.empty() && connection.connected() && !impl_->announcing &&
        connection.publish(status_id, impl_->status_topic, "offline", true)) {
        const auto end = Clock::now() + farewell_limit;
        for (bool said = false; !said && connection.wait(end);)
            for (const auto &event : connection.step())
                said = said || event.id == status_id || event.kind == MqttEvent::Kind::lost;
    }
    connection.close(close_limit);
}

void MqttPublisher::start() {
    impl_->connection.start();
}
int MqttPublisher::fd() const {
    return impl_->connection.fd();
}
bool MqttPublisher::connected() const {
    return impl_->connection.connected();
}
std::string MqttPublisher::status() const {
    return impl_->connection.status();
}

milliseconds MqttPublisher::timeout() const {
    if (!impl_->results.empty()) return milliseconds(0);
    if (!connected() || !impl_->denied) return impl_->connection.timeout();
    const auto left = std::chrono::ceil<milliseconds>(impl_->paused_until - Clock::now());
    return left.count() > 0 ? left : milliseconds(-1);
}

std::vector<Result> MqttPublisher::step() {
    for (const auto &event : impl_->connection.step()) impl_->take(event);
    return std::exchange(impl_->results, {});
}

std::size_t MqttPublisher::window() const {
    if (!connected() || impl_->announcing) return 0;
    if (impl_->denied) return Clock::now() < impl_->paused_until ? 0 : 1;
    return std::min(impl_->inflight, impl_->connection.receive_maximum());
}

void MqttPublisher::send(std::uint64_t id, std::string_view payload) {
    impl_->outstanding.insert(id);
    if (payload.size() + impl_->options.topic.size() + publish_overhead > impl_->connection.packet_maximum())
        impl_->finish(id, Outcome::refused, "larger than the broker allows");
    else if (!impl_->connection.publish(id, impl_->options.topic, payload, false))
        impl_->finish(id, Outcome::retry, "not connected");
}

void MqttPublisher::Impl::take(const MqttEvent &event) {
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            log_info("connected to the broker " + options.address() + " (" + event.text +
                     (options.tls ? ", TLS)" : ")"));
            announcing = !status_topic.empty() && connection.publish(status_id, status_topic, "online", true);
            break;
        case MqttEvent::Kind::lost: {
            announcing = false;
            for (const auto id : outstanding) results.push_back({id, Outcome::retry, event.text});
            outstanding.clear();
            break;
        }
        case MqttEvent::Kind::acknowledged:
            acknowledge(event);
            break;
        case MqttEvent::Kind::unanswered:
            finish(event.id, Outcome::retry, event.text);
            break;
        case MqttEvent::Kind::failed:
        case MqttEvent::Kind::subscribed:
        case MqttEvent::Kind::denied:
            break;
    }
}

void MqttPublisher::Impl::acknowledge(const MqttEvent &event) {
    if (event.id == status_id) {
        announcing = false;
        if (event.reason >= mqtt::first_failure)
            log_warning("the broker refuses our status on " + status_topic + ": " +
                        mqtt_reason_text(event.reason));
    } else if (event.reason == mqtt::packet_too_large) {
        finish(event.id, Outcome::refused, mqtt_reason_text(event.reason));
    } else if (event.reason >= mqtt::first_failure) {
        deny(event);
    } else {
        if (std::exchange(denied, false))
            log_info("the broker takes messages on " + options.topic + " again");
        pause.reset();
        finish(event.id, Outcome::delivered, "");
    }
}

void MqttPublisher::Impl::deny(const MqttEvent &event) {
    const std::string reason = mqtt_reason_text(event.reason);
    if (!denied)
        log_warning("the broker does not take messages on " + options.topic + ": " + reason +
                    "; they are kept and tried again");
    if (!denied || Clock::now() >= paused_until) paused_until = Clock::now() + pause.next();
    denied = true;
    finish(event.id, Outcome::retry, reason);
}

void MqttPublisher::Impl::finish(std::uint64_t id, Outcome outcome, const std::string &reason) {
    if (outstanding.erase(id) > 0) results.push_back({id, outcome, reason});
}

}  // namespace ble
