#include "transport/mqtt_publisher.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "batch/topic.hpp"
#include "transport/link_judge.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"
#include "transport/subscriptions.hpp"
#include "transport/transport_options.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds first_pause(500), longest_pause(30'000);
constexpr milliseconds longest_lonely_pause(
    5'000);  // while nobody is subscribed: that may change at any time
constexpr std::uint64_t status_id = ~std::uint64_t{0};  // of "online" and "offline"
constexpr std::uint64_t control_id = status_id - 1;
constexpr std::size_t longest_control = 64 * 1024;  // bytes
constexpr unsigned denials_of_its_own = 3;          // then it may be this message, and others are taken
constexpr std::size_t publish_overhead =
    10;  // fixed header, topic length, packet identifier, property length
constexpr milliseconds farewell_limit(300), close_limit(600);

MqttSession make_session(const MqttOptions &options, const std::string &status_topic) {
    MqttSession session;
    session.client_id = options.client_id;
    session.id_prefix = "blesend-";
    session.status_topic = status_topic;
    // The link after one that was cut takes its place, so that its last will is not told later.
    if (options.client_id.empty() && !status_topic.empty())
        session.client_id = random_client_id(session.id_prefix);
    return session;
}

std::string advice(int reason) {
    if (reason == mqtt::no_subscribers)
        return "; start blesub there (with --client-id it counts as subscribed while it is away)";
    if (reason == mqtt::not_authorised)
        return "; give this account the right to publish there, at the broker, or use the topic that it has "
               "the right to, as "
               "--topic RAW/{device_id}";
    return mqtt_reason_advice(reason);
}

}  // namespace

struct MqttPublisher::Impl {
    Impl(const MqttOptions &given, std::size_t most, const std::string &status_topic)
        : options(given),
          pattern(given.topic),
          inflight(most),
          session(make_session(given, status_topic)),
          connection(options, session) {
        connection.explain_ends([this] { return judge.suspects(open()); });
    }

    MqttOptions options;
    TopicPattern pattern;
    std::size_t inflight;
    MqttSession session;
    MqttConnection connection;
    Subscriptions subscriptions{connection};
    std::vector<Heard> messages;              // that came on them
    std::deque<LinkJudge::Sent> outstanding;  // in the order they were sent
    std::vector<Result> results;
    std::uint64_t links = 0;
    bool announcing = false;  // "online" has no PUBACK yet; it takes a place in the broker's receive maximum
    bool denied = false;      // the last PUBACK refused: one message at a time until one is taken
    std::uint64_t denied_id = 0;  // alone on its way when it was denied last
    unsigned denials = 0;         // so many times in a row
    LinkJudge judge;
    struct Copy {
        std::string topic, payload;
    };
    Copy control, sample;                    // what the broker has taken, and what may become that
    std::optional<std::uint64_t> sample_of;  // outstanding
    struct Held {
        std::uint64_t id;  // the last of `outstanding`
        Copy message;
        Clock::time_point until;
    };
    std::optional<Held> held;  // not on its way yet, so that the judge has a fair comparison
    std::size_t controls = 0;  // to be taken before anything else; one is on its way
    Clock::time_point paused_until;
    Backoff pause{first_pause, longest_pause};
    Throttle denial_said, deafness_said, suspicion_said, link_said;

    void take(MqttEvent event);
    void greet(const MqttEvent &event);
    void acknowledge(const MqttEvent &event);
    void deny(const MqttEvent &event);
    void lose(const MqttEvent &event);
    void release();
    std::vector<LinkJudge::Sent> open() const {
        return {outstanding.begin(), outstanding.end() - (held ? 1 : 0)};
    }
    void take_control(int reason);
    Result judged(LinkJudge::Verdict verdict, std::uint64_t id, const MqttEvent &event);
    void finish(std::uint64_t id, Outcome outcome, const std::string &reason);
};

MqttPublisher::MqttPublisher(const MqttOptions &options, std::size_t inflight,
                             const std::string &status_topic)
    : impl_(std::make_unique<Impl>(options, inflight, status_topic)) {}

// A polite disconnect makes the broker forget the last will, so "offline" is said by ourselves.
MqttPublisher::~MqttPublisher() {
    auto &connection = impl_->connection;
    const std::string &topic = impl_->session.status_topic;
    if (!topic.empty() && !impl_->announcing &&
        impl_->connection.publish(status_id, topic, "offline", true)) {
        const auto end = Clock::now() + farewell_limit;
        for (bool said = false; !said && connection.wait(end);)
            for (const auto &event : connection.step())
                said = said || event.id == status_id || event.kind == MqttEvent::Kind::lost;
    }
    connection.close(close_limit);
}

void MqttPublisher::renew(const TransportOptions &options) {
    impl_->options.password = options.mqtt.password;
    impl_->connection.retry_soon();
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
    auto due = impl_->connection.timeout();
    if (!connected()) return due;
    const auto sooner = [&due](milliseconds left) { due = due.count() < 0 ? left : std::min(left, due); };
    const auto left = [](Clock::time_point at) { return std::chrono::ceil<milliseconds>(at - Clock::now()); };
    if (impl_->denied && left(impl_->paused_until).count() > 0) sooner(left(impl_->paused_until));
    if (const auto again = impl_->subscriptions.due()) sooner(std::max(milliseconds(0), left(*again)));
    if (impl_->held) sooner(std::max(milliseconds(0), left(impl_->held->until)));
    return due;
}

std::string MqttPublisher::destination(std::string_view line) {
    return impl_->pattern.of(line).value_or("");
}

std::vector<Result> MqttPublisher::step() {
    for (auto &event : impl_->connection.step()) impl_->take(std::move(event));
    if (impl_->held && Clock::now() >= impl_->held->until) impl_->release();
    impl_->subscriptions.step();
    return std::exchange(impl_->results, {});
}

std::size_t MqttPublisher::window() const {
    if (!connected() || impl_->announcing || impl_->held || impl_->controls > 0) return 0;
    if (impl_->denied) return Clock::now() < impl_->paused_until ? 0 : 1;
    if (impl_->judge.one_at_a_time()) return 1;
    return std::min(impl_->inflight, impl_->connection.receive_maximum());
}

void MqttPublisher::send(std::uint64_t id, std::string_view payload) {
    const auto lines = static_cast<std::size_t>(std::count(payload.begin(), payload.end(), '\n')) + 1;
    impl_->outstanding.push_back({id, lines, Clock::now()});
    const auto topic = impl_->pattern.of(payload);
    if (!topic)
        return impl_->finish(id, Outcome::refused,
                             "its device_id cannot be a level of the topic " + impl_->options.topic +
                                 " (printable ASCII without /, + and #)");
    if (payload.size() + topic->size() + publish_overhead > impl_->connection.packet_maximum())
        return impl_->finish(id, Outcome::refused, "larger than the broker allows");
    if (!connected()) return impl_->finish(id, Outcome::retry, "not connected");
    if (!impl_->sample_of && payload.size() <= longest_control) {
        impl_->sample_of = id;
        impl_->sample = {*topic, std::string(payload)};
    }
    const auto now = Clock::now();
    if (const auto wait = impl_->judge.wait_before(id, now); wait.count() > 0)
        impl_->held = {id, {*topic, std::string(payload)}, now + wait};
    else
        impl_->connection.publish(id, *topic, payload, false);  // when it cannot, `lost` follows
}

void MqttPublisher::cork() {
    impl_->connection.cork();
}

void MqttPublisher::uncork() {
    impl_->connection.uncork();
}

void MqttPublisher::subscribe(const std::string &topic) {
    impl_->subscriptions.add(topic);
}

void MqttPublisher::unsubscribe(const std::string &topic) {
    impl_->subscriptions.remove(topic);
}

std::vector<MqttPublisher::Heard> MqttPublisher::take_messages() {
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
            messages.push_back({std::move(event.topic), std::move(event.text)});
            break;
        case MqttEvent::Kind::denied:
            if (deafness_said.due())
                log_warning("the broker refuses a subscription: " + event.text +
                            "; we get no message of this topic, and ask again");
            subscriptions.answer(true);
            break;
        case MqttEvent::Kind::subscribed:
            subscriptions.answer(false);
            break;
        case MqttEvent::Kind::failed:
            break;
    }
}

void MqttPublisher::Impl::release() {
    outstanding.back().since = Clock::now();
    connection.publish(held->id, held->message.topic, held->message.payload, false);
    held.reset();
}

void MqttPublisher::Impl::lose(const MqttEvent &event) {
    announcing = false;
    subscriptions.link_down();
    controls = 0;
    sample_of.reset();
    const auto sent = open();
    outstanding.clear();
    const auto verdict = judge.end_link(sent, event.reason, Clock::now());
    for (const auto &[id, lines, since] : sent) results.push_back({id, Outcome::retry, event.text});
    if (verdict != LinkJudge::Verdict::retry)
        results[results.size() - sent.size()] = judged(verdict, sent.front().id, event);
    if (held) results.push_back({held->id, Outcome::retry, event.text});
    held.reset();
    if (judge.retry_soon()) connection.retry_soon();
}

Result MqttPublisher::Impl::judged(LinkJudge::Verdict verdict, std::uint64_t id, const MqttEvent &event) {
    if (verdict == LinkJudge::Verdict::later) {
        if (suspicion_said.due())
            log_warning("the link ended again while one message alone was on its way: " + event.text +
                        "; it is kept and tried again behind the others");
        return {id, Outcome::later, event.text};
    }
    const bool told = mqtt_reason_is_of_message(event.reason) || verdict == LinkJudge::Verdict::part;
    return {id, Outcome::refused,
            (told ? "the broker ends the link at it: "
                  : "the broker takes others and ends each link at this one (too large for it?): ") +
                event.text};
}

void MqttPublisher::Impl::greet(const MqttEvent &event) {
    ++links;
    const bool old = !event.text.starts_with("MQTT 5");
    const bool no_news = connection.contested() || (judge.suspects({}) && !link_said.due());
    log(no_news ? LogLevel::debug : LogLevel::info,
        "connected to the broker " + connection.address() + " (" + event.text + (options.tls ? ", TLS" : "") +
            ")" + (old ? ": it cannot say when a batch is denied or nobody is subscribed" : ""));
    subscriptions.link_up();
    announcing =
        !session.status_topic.empty() && connection.publish(status_id, session.status_topic, "online", true);
    controls = judge.begin_link(Clock::now(), !control.payload.empty());
    if (controls > 0) connection.publish(control_id, control.topic, control.payload, false);
}

void MqttPublisher::Impl::take_control(int reason) {
    if (reason != mqtt::success) {
        controls = 0;  // nothing is taken now
        return;
    }
    judge.take_control();
    if (--controls > 0) connection.publish(control_id, control.topic, control.payload, false);
}

void MqttPublisher::Impl::acknowledge(const MqttEvent &event) {
    if (event.id == status_id) {
        announcing = false;
        if (event.reason >= mqtt::first_failure)
            log_warning("the broker refuses our status on " + session.status_topic + ": " +
                        mqtt_reason_text(event.reason));
    } else if (event.id == control_id) {
        take_control(event.reason);
    } else if (mqtt_reason_is_of_message(event.reason)) {
        judge.take(event.id);
        finish(event.id, Outcome::refused, mqtt_reason_text(event.reason));
    } else if (event.reason >= mqtt::first_failure || event.reason == mqtt::no_subscribers) {
        deny(event);
    } else {
        if (std::exchange(denied, false))
            log_info("the broker takes messages on " + options.topic + " again");
        pause.reset();
        judge.take(event.id);
        if (sample_of == event.id) std::swap(control, sample);
        finish(event.id, Outcome::delivered, "");
    }
}

void MqttPublisher::Impl::deny(const MqttEvent &event) {
    const std::string reason = mqtt_reason_text(event.reason);
    if (!denied && denial_said.due())
        log_warning("the broker does not take messages on " + options.topic + ": " + reason +
                    "; they are kept and tried again" + advice(event.reason));
    const auto longest = event.reason == mqtt::no_subscribers ? longest_lonely_pause : longest_pause;
    if (!denied || Clock::now() >= paused_until)
        paused_until = Clock::now() + std::min(pause.next(), longest);
    denied = true;
    Outcome outcome = Outcome::retry;
    if (outstanding.size() == 1 && event.reason != mqtt::no_subscribers) {
        denials = event.id == denied_id ? denials + 1 : 1;
        denied_id = event.id;
        if (denials >= denials_of_its_own) outcome = Outcome::later;
    }
    finish(event.id, outcome, reason);
}

void MqttPublisher::Impl::finish(std::uint64_t id, Outcome outcome, const std::string &reason) {
    if (sample_of == id) sample_of.reset();
    const auto found =
        std::find_if(outstanding.begin(), outstanding.end(), [&](const auto &sent) { return sent.id == id; });
    if (found == outstanding.end()) return;
    outstanding.erase(found);
    results.push_back({id, outcome, reason});
}

}  // namespace ble
