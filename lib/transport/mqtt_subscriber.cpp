#include "transport/mqtt_subscriber.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "batch/topic.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds close_limit(1000);
constexpr std::size_t window_bytes = 1 << 20;  // what a pipe takes (base/pipe_size.hpp)

using Part = MqttSubscriber::Part;

std::string with_group(const Part &part, const std::string &topic) {
    return part.group.empty() ? topic : "$share/" + part.group + "/" + topic;
}

MqttSession make_session(const MqttOptions &options, const Part &part, MqttWindow &window) {
    MqttSession session;
    session.persistent = !options.client_id.empty();
    session.client_id = options.client_id;
    session.id_prefix = "blesub-";
    // The link after one that was cut takes its place, so that the broker gives no part of the messages to that one.
    if (!session.persistent && !part.group.empty()) session.client_id = random_client_id(session.id_prefix);
    session.window = &window;
    const auto add = [&](const std::string &topic, bool ours) {
        (ours ? session.subscribe : session.unsubscribe).push_back(with_group(part, topic));
        if (!part.group.empty()) session.unsubscribe.push_back(topic);
    };
    const auto ours = filters_of(options.topic, part.shards);
    for (const auto &topic : filters_of(options.topic, all_shards))
        add(topic, std::find(ours.begin(), ours.end(), topic) != ours.end());
    if (!session.persistent) session.unsubscribe.clear();
    return session;
}

}  // namespace

std::vector<std::string> filters_of(const std::string &topic, std::string_view shards) {
    const auto place = topic.find(TopicPattern::shard);
    if (place == std::string::npos) return {topic};
    std::vector<std::string> filters;
    for (const char shard : shards)
        filters.push_back(std::string(topic).replace(place, TopicPattern::shard.size(), 1, shard));
    return filters;
}

struct MqttSubscriber::Impl {
    Impl(const MqttOptions &given, const Part &part, std::size_t messages, Take taker)
        : options(given),
          what(with_group(part, given.topic) + (part.shards.empty() ? "" : ", shards " + part.shards)),
          shared(!part.group.empty()),
          window(messages, window_bytes),
          take(std::move(taker)),
          connection(options, make_session(given, part, window)) {}

    MqttOptions options;
    std::string what;  // we are subscribed to
    bool shared;
    MqttWindow window;
    Take take;
    bool ready = false;
    bool granted = false;              // once at least
    std::set<std::string> refused_by;  // before that; addresses
    Throttle denial_said;
    std::string version;
    std::optional<Error> refusal;
    std::optional<Clock::time_point> held_since;

    MqttConnection connection;

    void handle(const MqttEvent &event);
    void grant(int qos);
    void deny(const MqttEvent &event);
};

MqttSubscriber::MqttSubscriber(const MqttOptions &options, const Part &part, std::size_t window, Take take)
    : impl_(std::make_unique<Impl>(options, part, window, std::move(take))) {}
MqttSubscriber::~MqttSubscriber() {
    close();
}

void MqttSubscriber::start() {
    impl_->connection.start();
}
int MqttSubscriber::fd() const {
    return impl_->connection.fd();
}
milliseconds MqttSubscriber::timeout() const {
    return impl_->connection.timeout();
}
void MqttSubscriber::limit(std::size_t messages) {
    impl_->window.limit(messages);
}
void MqttSubscriber::renew(const std::optional<std::string> &password) {
    impl_->options.password = password;
    impl_->connection.retry_soon();
}
bool MqttSubscriber::ready() const {
    return impl_->ready;
}
const std::optional<Error> &MqttSubscriber::refusal() const {
    return impl_->refusal;
}
bool MqttSubscriber::holds() const {
    return impl_->window.holds();
}

milliseconds MqttSubscriber::held_for() const {
    if (!impl_->held_since) return milliseconds(0);
    return std::chrono::duration_cast<milliseconds>(Clock::now() - *impl_->held_since);
}

std::string MqttSubscriber::status() const {
    if (!impl_->ready) return impl_->connection.status();
    return "subscribed to " + impl_->what + " at " + impl_->connection.address();
}

void MqttSubscriber::step() {
    for (const auto &event : impl_->connection.step()) impl_->handle(event);
    if (holds() && !impl_->held_since) impl_->held_since = Clock::now();
}

void MqttSubscriber::release() {
    impl_->held_since.reset();
    impl_->window.release();
    impl_->connection.release();
}

void MqttSubscriber::close() {
    impl_->ready = false;
    impl_->connection.close(close_limit);
}

void MqttSubscriber::Impl::handle(const MqttEvent &event) {
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            version = event.text;
            break;
        case MqttEvent::Kind::subscribed:
            grant(event.reason);
            break;
        case MqttEvent::Kind::denied:
            deny(event);
            break;
        case MqttEvent::Kind::lost:
            ready = false;
            if (event.reason == mqtt::sharing_not_supported) deny(event);
            break;
        case MqttEvent::Kind::message:
            take(event.topic, event.text);
            break;
        case MqttEvent::Kind::failed:
        case MqttEvent::Kind::acknowledged:
            break;
    }
}

void MqttSubscriber::Impl::grant(int qos) {
    if (qos != 1) {
        refusal.emplace(ExitCode::config, "the broker grants " + what + " at QoS " + std::to_string(qos) +
                                              (qos == 0 ? " only: messages could be lost on the way"
                                                        : ", and 1 was asked for"));
        return;
    }
    ready = true;
    if (!std::exchange(granted, true) && shared && version.starts_with("MQTT 3"))
        log_warning(
            "with MQTT 3.1.1 a broker does not say whether it has shared subscriptions (--share). A broker "
            "without them, as nats-server, would send nothing: there, divide the load by topics (--shards)");
    log(connection.contested() ? LogLevel::debug : LogLevel::info, "subscribed to " + what + " at " +
                                                                       connection.address() + " (" + version +
                                                                       (options.tls ? ", TLS)" : ")"));
}

// It is final when each broker has refused it and none ever granted it. A node of a cluster that has just lost another one refuses, too.
void MqttSubscriber::Impl::deny(const MqttEvent &event) {
    const std::string text =
        "the broker " + connection.address() + " refuses the subscription to " + what + ": " + event.text;
    refused_by.insert(connection.address());
    if (granted || !std::all_of(options.servers.begin(), options.servers.end(), [this](const auto &server) {
            return refused_by.contains(server.address());
        })) {
        if (denial_said.due()) log_warning(text + "; trying again");
        return connection.leave(event.reason, "the subscription is refused");
    }
    const bool rights = event.reason == mqtt::not_authorised || event.reason == mqtt::first_failure;
    refusal.emplace(rights ? ExitCode::permission : ExitCode::config, text);
}

}  // namespace ble
