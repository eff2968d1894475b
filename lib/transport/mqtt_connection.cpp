#include "transport/mqtt_connection.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/backoff.hpp"
#include "base/error.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "transport/broker_choice.hpp"
#include "transport/client_id_contest.hpp"
#include "transport/mosquitto_link.hpp"
#include "transport/mqtt_reason.hpp"
#include "transport/paho_link.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds first_delay(200), longest_delay(30'000);
// A link that lived shorter does not reset the back-off: two clients with one id.
constexpr seconds steady_after(10);

// Does the broker not want us as we are? Another one of its cluster would say the same.
bool is_lasting(int reason) {
    return reason == mqtt::bad_user_or_password || reason == mqtt::not_authorised;
}

const char *advice_on_refusal(int reason) {
    if (is_lasting(reason))
        return "; correct the user name or the password (SIGHUP reads it again), or the account at the "
               "broker";
    return "";
}

}  // namespace

struct MqttConnection::Impl {
    const MqttOptions &options;
    const MqttSession session;
    UniqueFd epoll;  // of the queue, and of the link when it has one
    std::shared_ptr<MqttEventQueue> queue = std::make_shared<MqttEventQueue>();
    std::unique_ptr<MqttLink> link;
    unsigned epoch = 0;
    BrokerChoice choice;
    bool five = true;  // MQTT 5, else 3.1.1
    enum class State { idle, connecting, up, waiting } state = State::idle;
    Backoff backoff{first_delay, longest_delay};
    Backoff at_once{first_delay,
                    first_delay};  // spreads the clients of a broker that died over the next ones
    Clock::time_point due, since;
    std::size_t receive_maximum = 0, packet_maximum = 0;
    std::string trouble, trouble_at;  // of the last link, and whose
    Throttle loss_said, referral_said;
    ClientIdContest contest;
    std::function<bool()> explained = [] { return false; };
    bool fallback_said = false;

    Impl(const MqttOptions &given, MqttSession own)
        : options(given), session(std::move(own)), choice(given.servers) {}
    std::string address() const { return choice.now().server.address(); }
    void watch(int fd) const;
    void connect();
    bool handle(const MqttEvent &event);
    void retry_later(const MqttEvent &event);
    bool follow(const MqttEvent &event);
    void fail(const MqttEvent &event);
    void accept(const MqttEvent &event);
    bool try_old_version(const MqttEvent &event);
    void lose(const MqttEvent &event);
    void tell_of_contest(const std::string &why) const;
};

MqttConnection::MqttConnection(const MqttOptions &options, MqttSession session)
    : impl_(std::make_unique<Impl>(options, std::move(session))) {
    impl_->five = options.version != "3.1.1";
    impl_->epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!impl_->epoll) throw system_error("make an epoll");
    impl_->watch(impl_->queue->fd());
}

MqttConnection::~MqttConnection() {
    close(seconds(1));
}

void MqttConnection::explain_ends(std::function<bool()> explained) {
    impl_->explained = std::move(explained);
}
void MqttConnection::start() {
    impl_->connect();
}
int MqttConnection::fd() const {
    return impl_->epoll.get();
}
bool MqttConnection::connected() const {
    return impl_->state == Impl::State::up;
}
bool MqttConnection::contested() const {
    return impl_->contest.on();
}
std::size_t MqttConnection::packet_maximum() const {
    return impl_->packet_maximum;
}
std::size_t MqttConnection::receive_maximum() const {
    return impl_->receive_maximum;
}

void MqttConnection::retry_soon() {
    if (impl_->state != Impl::State::waiting) return;
    impl_->backoff.reset();
    impl_->due = Clock::now() + impl_->backoff.next();
}

milliseconds MqttConnection::timeout() const {
    const auto until = [](Clock::time_point at) {
        return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(at - Clock::now()));
    };
    if (impl_->state == Impl::State::waiting) return until(impl_->due);
    const auto due = impl_->link ? impl_->link->timeout() : milliseconds(-1);
    if (impl_->state != Impl::State::up || !impl_->contest.on()) return due;
    const auto held = until(impl_->since + ClientIdContest::won_after);
    return due.count() < 0 ? held : std::min(due, held);
}

bool MqttConnection::wait(Clock::time_point end) {
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
    pollfd ask{fd(), POLLIN, 0};
    return ::poll(&ask, 1, static_cast<int>(left.count())) > 0;
}

std::string MqttConnection::address() const {
    return impl_->address();
}

std::string MqttConnection::status() const {
    const std::string address = impl_->address();
    switch (impl_->state) {
        case Impl::State::idle:
            return "not connected";
        case Impl::State::connecting:
            return "connecting to " + address;
        case Impl::State::up:
            return "connected to " + address;
        case Impl::State::waiting:
            break;
    }
    const auto wait = std::chrono::ceil<seconds>(std::max(Clock::duration(0), impl_->due - Clock::now()));
    return impl_->trouble_at + ": " + impl_->trouble + ", next try " +
           (impl_->trouble_at == address ? "" : "at " + address + " ") + "in " +
           std::to_string(wait.count()) + " s";
}

void MqttConnection::Impl::watch(int fd) const {
    epoll_event event{EPOLLIN, {}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw system_error("watch the broker's link");
}

void MqttConnection::Impl::connect() {
    ++epoch;
    MqttSession of_this_link = session;
    if (session.client_id.empty()) of_this_link.client_id = random_client_id(session.id_prefix);
    const MqttAttempt attempt{options, choice.now().server, of_this_link, five, epoch, choice.now().met};
    if (attempt.server.websocket && session.window == nullptr)
        link = std::make_unique<PahoLink>(queue, attempt);
    else
        link = std::make_unique<MosquittoLink>(queue, attempt);
    state = State::connecting;
    if (link->fd() >= 0) watch(link->fd());
    link->connect(choice.now().addresses);
}

std::vector<MqttEvent> MqttConnection::step() {
    std::vector<MqttEvent> events;
    const auto ask = [&] {
        impl_->link->step();
        for (auto &entry : impl_->queue->take())
            if (entry.epoch == impl_->epoch && impl_->handle(entry.event))
                events.push_back(std::move(entry.event));
    };
    if (impl_->state == Impl::State::waiting) impl_->queue->take();  // of links that are given up
    if (impl_->link && impl_->state != Impl::State::waiting) ask();
    // What woke us may have come after the link was asked, and the queue has taken it off.
    if (impl_->state == Impl::State::connecting) ask();
    if (impl_->state == Impl::State::waiting && Clock::now() >= impl_->due) impl_->connect();
    if (impl_->state == Impl::State::up && impl_->contest.on() &&
        Clock::now() >= impl_->since + ClientIdContest::won_after) {
        impl_->contest.held();
        log_info("the link to the broker " + impl_->address() +
                 " is stable: no other client uses the client id " + impl_->options.client_id + " now");
    }
    return events;
}

// True: the event concerns the caller.
bool MqttConnection::Impl::handle(const MqttEvent &event) {
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            accept(event);
            return true;
        case MqttEvent::Kind::failed:
            if (try_old_version(event)) return false;
            fail(event);
            return true;
        case MqttEvent::Kind::lost:
            if (state != State::up) return false;
            lose(event);
            return true;
        case MqttEvent::Kind::acknowledged:
        case MqttEvent::Kind::subscribed:
        case MqttEvent::Kind::denied:
        case MqttEvent::Kind::message:
            return true;
    }
    return false;
}

void MqttConnection::Impl::accept(const MqttEvent &event) {
    state = State::up;
    choice.now().addresses.worked(link->address());
    choice.now().met = true;
    choice.now().failure_said.reset();
    since = Clock::now();
    receive_maximum = event.receive_maximum;
    packet_maximum = event.packet_maximum;
    if (!five && options.version == "auto" && !std::exchange(fallback_said, true))
        log_warning("the broker " + address() +
                    " refuses MQTT 5: using 3.1.1, which cannot tell when a message is denied");
}

void MqttConnection::Impl::fail(const MqttEvent &event) {
    contest.failed();
    auto &broker = choice.now();
    if (!link->address().empty()) broker.addresses.failed(link->address());
    // Another reason is worth a line of its own. Paho sometimes takes the late end of a link's socket for that of the
    // next link, whose socket has the same number ("socket error"): the true reason comes with the attempt after it.
    if (event.text != std::exchange(broker.trouble, event.text)) broker.failure_said.reset();
    if (event.server.empty() && broker.failure_said.due())
        log_warning("unable to connect to the broker " + address() + ": " + event.text +
                    advice_on_refusal(event.reason) + "; trying again");
    retry_later(event);
}

void MqttConnection::Impl::lose(const MqttEvent &event) {
    using Ending = ClientIdContest::Ending;
    const auto lived = Clock::now() - since;
    if (!options.client_id.empty())
        contest.lost(event.reason == mqtt::session_taken_over ? Ending::taken_over
                     : event.reason == 0 && !explained()      ? Ending::unexplained
                                                              : Ending::other,
                     lived);
    if (lived >= steady_after && !contest.on()) {
        backoff.reset();
        choice.worked();
        loss_said.reset();
    }
    if (options.version == "auto") five = true;
    ++epoch;  // what this link still has to say is of no interest
    if (contest.due()) tell_of_contest(event.text);
    if (!contest.on() && !event.text.empty() && loss_said.due())
        log_warning("the link to the broker " + address() + " is lost: " + event.text + "; connecting again");
    retry_later(event);
}

void MqttConnection::Impl::tell_of_contest(const std::string &why) const {
    const std::string where = options.client_id + " at the broker " + address();
    log_warning(
        (contest.told()
             ? "another client uses our client id " + where + ": each one disconnects the other (" + why + ")"
             : "does another client use our client id " + where + "? Each link ends soon after it is made") +
        "; give every client a --client-id of its own (this is process " + std::to_string(::getpid()) +
        " on " + host_name() + "); this is repeated in " +
        std::to_string(ClientIdContest::reminded_after.count()) + " hours if it goes on");
}

void MqttConnection::Impl::retry_later(const MqttEvent &event) {
    state = State::waiting;
    receive_maximum = 0;
    trouble = event.text;
    trouble_at = address();
    const bool soon = follow(event) || (choice.failed() && !is_lasting(event.reason));
    due = Clock::now() + (soon ? at_once : backoff).next();
}

// To the broker that the present one names in its place.
bool MqttConnection::Impl::follow(const MqttEvent &event) {
    if (event.server.empty()) return false;
    const MqttServer from = choice.now().server;
    const bool followed = choice.follow(event.server);
    const std::string text =
        "the broker " + from.address() + " sends us to " +
        (followed ? address() : printable(event.server) + ", which is not followed (" + event.text + ")");
    const bool for_good = event.reason == mqtt::server_moved;
    if (referral_said.due())
        log(followed && !for_good ? LogLevel::info : LogLevel::warning,
            text + (for_good ? ", for good: name the new broker with --broker or --url" : ""));
    if (followed && options.password && !options.tls && is_own_machine(from.host) &&
        !is_own_machine(choice.now().server.host))
        warn_of_plain_password(choice.now().server);
    return followed;
}

// With --mqtt-version auto: an old broker answers MQTT 5 with a return code, or just hangs up. Each new link tries 5 first,
// so a broker that was only being restarted is not taken for an old one for ever.
bool MqttConnection::Impl::try_old_version(const MqttEvent &event) {
    if (options.version != "auto") return false;
    const bool old = event.reason == mqtt::unsupported_version || link->hung_up();
    if (!five || !old) {
        five = true;
        return false;
    }
    five = false;
    choice.now().addresses.worked(link->address());  // it is there, and is asked again
    connect();
    return true;
}

bool MqttConnection::publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                             bool retained) {
    return connected() && impl_->link->publish(id, topic, payload, retained);
}
void MqttConnection::cork() {
    if (connected()) impl_->link->cork();
}
void MqttConnection::uncork() {
    if (impl_->link) impl_->link->uncork();
}
void MqttConnection::subscribe(const std::string &topic) {
    if (connected()) impl_->link->subscribe(topic);
}
void MqttConnection::unsubscribe(const std::string &topic) {
    if (connected()) impl_->link->unsubscribe(topic);
}
void MqttConnection::release() {
    if (impl_->link) impl_->link->release();
}

void MqttConnection::leave(int reason, const std::string &why) {
    if (!connected()) return;
    impl_->link->close(milliseconds(0));
    impl_->lose({MqttEvent::Kind::lost, 0, reason, {}});  // without a text: the caller has said it
    impl_->trouble = why;
}

void MqttConnection::close(milliseconds limit) {
    if (!impl_->link) return;
    ++impl_->epoch;
    impl_->state = Impl::State::idle;
    std::exchange(impl_->link, nullptr)->close(limit);
}

}  // namespace ble
