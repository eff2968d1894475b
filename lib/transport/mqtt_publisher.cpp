#include "transport/mqtt_publisher.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "transport/mosquitto_link.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds first_pause(500), longest_pause(30'000);
constexpr milliseconds longest_lonely_pause(
    5'000);  // while nobody is subscribed: that may change at any time
constexpr std::uint64_t status_id = ~std::uint64_t{0};  // of "online" and "offline"
constexpr std::size_t publish_overhead =
    10;  // fixed header, topic length, packet identifier, property length
constexpr milliseconds farewell_limit(300), close_limit(600);

PublisherSession make_session(const MqttOptions &options, const std::string &status_topic) {
    PublisherSession session;
    session.client_id =
        options.client_id.empty() ? "blesend-" + random_id().substr(0, 12) : options.client_id;
    session.status_topic = status_topic;
    return session;
}

std::string advice(int reason) {
    if (reason == mqtt::no_subscribers)
        return "; start blesub there (with --client-id it counts as subscribed while it is away)";
    if (reason == mqtt::not_authorised)
        return "; give this account the right to publish there, at the broker";
    return "";
}

}  // namespace

struct MqttPublisher::Impl {
    Impl(const MqttOptions &given, std::size_t most, const std::string &topic)
        : options(given),
          inflight(most),
          session(make_session(given, topic)),
          connection(options, mosquitto_links(options, session, link),
                     MqttConnection::WhenRefused::keep_trying) {}

    MqttOptions options;
    std::size_t inflight;
    PublisherSession session;
    MosquittoLink *link = nullptr;  // the connection's newest
    MqttConnection connection;
    std::set<std::string> topics;       // subscribed to
    std::vector<std::string> messages;  // that came on them
    std::unordered_set<std::uint64_t> outstanding;
    std::vector<Result> results;
    std::uint64_t links = 0;
    bool announcing = false;   // "online" has no PUBACK yet; it takes a place in the broker's receive maximum
    bool denied = false;       // the last PUBACK refused: one message at a time until one is taken
    std::size_t suspects = 0;  // a link ended because of one of so many: likewise, until all have been taken
    std::optional<std::uint64_t> suspect;  // what was outstanding alone then
    Clock::time_point paused_until;
    Backoff pause{first_pause, longest_pause};
    Throttle deafness_said;

    bool publish(std::uint64_t id, const std::string &topic, std::string_view payload, bool retained) {
        return connection.connected() && link->publish(id, topic, payload, retained);
    }
    void take(MqttEvent event);
    void greet(const MqttEvent &event);
    void acknowledge(const MqttEvent &event);
    void deny(const MqttEvent &event);
    void lose(const MqttEvent &event);
    void finish(std::uint64_t id, Outcome outcome, const std::string &reason);
};

MqttPublisher::MqttPublisher(const MqttOptions &options, std::size_t inflight,
                             const std::string &status_topic)
    : impl_(std::make_unique<Impl>(options, inflight, status_topic)) {}

// A polite disconnect makes the broker forget the last will, so "offline" is said by ourselves.
MqttPublisher::~MqttPublisher() {
    auto &connection = impl_->connection;
    const std::string &topic = impl_->session.status_topic;
    if (!topic.empty() && !impl_->announcing && impl_->publish(status_id, topic, "offline", true)) {
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

std::uint64_t MqttPublisher::links() const {
    return impl_->links;
}

milliseconds MqttPublisher::timeout() const {
    if (!impl_->results.empty()) return milliseconds(0);
    const auto due = impl_->connection.timeout();
    if (!connected() || !impl_->denied) return due;
    const auto left = std::chrono::ceil<milliseconds>(impl_->paused_until - Clock::now());
    if (left.count() <= 0) return due;
    return due.count() < 0 ? left : std::min(left, due);
}

std::vector<Result> MqttPublisher::step() {
    for (auto &event : impl_->connection.step()) impl_->take(std::move(event));
    return std::exchange(impl_->results, {});
}

std::size_t MqttPublisher::window() const {
    if (!connected() || impl_->announcing) return 0;
    if (impl_->denied) return Clock::now() < impl_->paused_until ? 0 : 1;
    if (impl_->suspects > 0) return 1;
    return std::min(impl_->inflight, impl_->connection.receive_maximum());
}

void MqttPublisher::send(std::uint64_t id, std::string_view payload) {
    impl_->outstanding.insert(id);
    if (payload.size() + impl_->options.topic.size() + publish_overhead > impl_->connection.packet_maximum())
        impl_->finish(id, Outcome::refused, "larger than the broker allows");
    else if (!impl_->publish(id, impl_->options.topic, payload, false))
        impl_->finish(id, Outcome::retry, "not connected");
}

void MqttPublisher::subscribe(const std::string &topic) {
    if (impl_->topics.insert(topic).second && connected()) impl_->link->subscribe(topic);
}

void MqttPublisher::unsubscribe(const std::string &topic) {
    if (impl_->topics.erase(topic) > 0 && connected()) impl_->link->unsubscribe(topic);
}

std::vector<std::string> MqttPublisher::take_messages() {
    return std::exchange(impl_->messages, {});
}

void MqttPublisher::Impl::take(MqttEvent event) {
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            greet(event);
            break;
        case MqttEvent::Kind::lost:
            lose(event);
            break;
        case MqttEvent::Kind::acknowledged:
            acknowledge(event);
            break;
        case MqttEvent::Kind::message:
            messages.push_back(std::move(event.text));
            break;
        case MqttEvent::Kind::denied:
            if (deafness_said.due())
                log_warning("the broker refuses us a subscription: " + event.text +
                            "; what is said there does not reach us");
            break;
        case MqttEvent::Kind::failed:
        case MqttEvent::Kind::subscribed:
            break;
    }
}

// Some brokers answer what they cannot take by ending the link. Sent alone, it shows: what ends two links is set aside.
void MqttPublisher::Impl::lose(const MqttEvent &event) {
    announcing = false;
    if (event.reason == mqtt::protocol_error || event.reason == mqtt::packet_too_large) {
        const auto before = std::exchange(suspect, std::nullopt);
        suspects = std::max(suspects, outstanding.size());
        if (outstanding.size() == 1) suspect = *outstanding.begin();
        if (suspect && suspect == before) {
            --suspects;
            finish(*suspect, Outcome::refused, "the broker ends the link at it (too large?): " + event.text);
        }
    }
    for (const auto id : outstanding) results.push_back({id, Outcome::retry, event.text});
    outstanding.clear();
}

void MqttPublisher::Impl::greet(const MqttEvent &event) {
    ++links;
    const bool old = event.text != "MQTT 5";
    log(connection.contested() ? LogLevel::debug : LogLevel::info,
        "connected to the broker " + options.address() + " (" + event.text + (options.tls ? ", TLS" : "") +
            ")" + (old ? ": it cannot say when a batch is denied or nobody is subscribed" : ""));
    for (const auto &topic : topics) link->subscribe(topic);
    announcing = !session.status_topic.empty() && publish(status_id, session.status_topic, "online", true);
}

void MqttPublisher::Impl::acknowledge(const MqttEvent &event) {
    if (event.id == status_id) {
        announcing = false;
        if (event.reason >= mqtt::first_failure)
            log_warning("the broker refuses our status on " + session.status_topic + ": " +
                        mqtt_reason_text(event.reason));
    } else if (event.reason == mqtt::packet_too_large) {
        finish(event.id, Outcome::refused, mqtt_reason_text(event.reason));
    } else if (event.reason >= mqtt::first_failure || event.reason == mqtt::no_subscribers) {
        deny(event);
    } else {
        if (std::exchange(denied, false))
            log_info("the broker takes messages on " + options.topic + " again");
        pause.reset();
        if (suspects > 0) --suspects;
        finish(event.id, Outcome::delivered, "");
    }
}

void MqttPublisher::Impl::deny(const MqttEvent &event) {
    const std::string reason = mqtt_reason_text(event.reason);
    if (!denied)
        log_warning("the broker does not take messages on " + options.topic + ": " + reason +
                    "; they are kept and tried again" + advice(event.reason));
    const auto longest = event.reason == mqtt::no_subscribers ? longest_lonely_pause : longest_pause;
    if (!denied || Clock::now() >= paused_until)
        paused_until = Clock::now() + std::min(pause.next(), longest);
    denied = true;
    finish(event.id, Outcome::retry, reason);
}

void MqttPublisher::Impl::finish(std::uint64_t id, Outcome outcome, const std::string &reason) {
    if (outstanding.erase(id) > 0) results.push_back({id, outcome, reason});
}

}  // namespace ble
