#include "transport/mqtt_connection.hpp"

#include <MQTTAsync.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/backoff.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds first_delay(200), longest_delay(30'000);
constexpr seconds connect_limit(10);
constexpr seconds steady_after(
    10);  // a link that lived shorter does not reset the back-off: two clients with one id
constexpr unsigned never_expires = 0xffffffff;
constexpr std::size_t no_receive_maximum = 65'535;
constexpr int highest_fd = 256;
// Texts of paho: there are no codes for them.
constexpr std::string_view hung_up = "TCP connect completion failure",
                           no_connection = "TCP/TLS connect failure", name_unknown = "Failure";

std::string library_text(int code, const char *message) {
    if (message != nullptr) return message;
    const char *text = MQTTAsync_strerror(code);
    return text != nullptr ? text : "code " + std::to_string(code);
}

}  // namespace

// What paho's threads leave for ours. Its lock is held for a moment only, never while a function of paho is called.
struct MqttConnection::Queue {
    struct Entry {
        unsigned epoch;
        MqttEvent event;
        std::size_t receive_maximum = 0;
    };
    Queue() : wake_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        if (!wake_fd) throw system_error("make an eventfd");
    }
    void push(Entry entry) {
        const std::lock_guard guard(lock);
        entries.push_back(std::move(entry));
        if (entries.size() == 1) wake();
    }
    std::vector<Entry> take() {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(wake_fd.get(), &count, sizeof count);
        const std::lock_guard guard(lock);
        return std::exchange(entries, {});
    }
    void wake() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = ::write(wake_fd.get(), &one, sizeof one);
    }

    UniqueFd wake_fd;
    std::mutex lock;
    std::vector<Entry> entries;
};

// One attempt to connect, and the link that comes of it: a paho client of its own.
struct MqttConnection::Link {
    struct Delivery {
        Link *link;
        std::uint64_t id;
    };
    std::shared_ptr<Queue> queue;
    unsigned epoch = 0;
    int version = MQTTVERSION_5;
    bool tls = false, hung_up_on = false;
    std::string subscribe;
    OnMessage on_message;
    MQTTAsync client = nullptr;
    std::unordered_map<std::uint64_t, Delivery>
        deliveries;  // our thread's; paho holds pointers to the values
    std::mutex tls_lock;
    std::string tls_error;

    ~Link() {
        if (client != nullptr) MQTTAsync_destroy(&client);
    }
    void push(MqttEvent event, std::size_t receive_maximum = 0) {
        queue->push({epoch, std::move(event), receive_maximum});
    }
    void begin_subscription();
    std::string failure_text(int code, const char *message);
};

// What paho calls, in its threads.
struct MqttConnection::Callbacks {
    using Kind = MqttEvent::Kind;
    static Link &link(void *context) { return *static_cast<Link *>(context); }

    static void connected(void *context, MQTTAsync_successData *) noexcept {
        begin(link(context), no_receive_maximum);
    }
    static void connected5(void *context, MQTTAsync_successData5 *data) noexcept {
        const auto code = MQTTPROPERTY_CODE_RECEIVE_MAXIMUM;
        const bool limited = MQTTProperties_hasProperty(&data->properties, code) != 0;
        begin(link(context),
              limited ? static_cast<std::size_t>(MQTTProperties_getNumericValue(&data->properties, code))
                      : no_receive_maximum);
    }
    static void begin(Link &link, std::size_t receive_maximum) {
        link.push({Kind::connected, 0, 0, link.version == MQTTVERSION_5 ? "MQTT 5" : "MQTT 3.1.1"},
                  receive_maximum);
        // Here and not in our thread: the first message may already hold paho's lock when that gets to it.
        if (!link.subscribe.empty()) link.begin_subscription();
    }
    static void failed(void *context, MQTTAsync_failureData *data) noexcept {
        fail(link(context), data != nullptr ? data->code : MQTTASYNC_FAILURE,
             data != nullptr ? data->message : nullptr);
    }
    static void failed5(void *context, MQTTAsync_failureData5 *data) noexcept {
        if (data == nullptr) return fail(link(context), MQTTASYNC_FAILURE, nullptr);
        fail(link(context), data->reasonCode != 0 ? data->reasonCode : data->code, data->message);
    }
    // `code`: negative for paho's own, a CONNACK's return code, which MQTT 5 brokers of old send as well, or its reason.
    static void fail(Link &link, int code, const char *message) {
        const int reason = code >= mqtt::first_failure ? code
                           : code > 0                  ? mqtt_reason_of_return_code(code)
                                                       : 0;
        const std::string text = reason != 0 ? mqtt_reason_text(reason) : link.failure_text(code, message);
        link.hung_up_on = message != nullptr && message == hung_up;
        link.push({Kind::failed, 0, reason, text});
    }

    static void lost(void *context, char *cause) noexcept {
        link(context).push({Kind::lost, 0, 0, cause != nullptr ? cause : "connection lost"});
    }
    static void disconnected(void *context, MQTTProperties *, MQTTReasonCodes reason) noexcept {
        link(context).push({Kind::lost, 0, reason, mqtt_reason_text(reason)});
    }
    static int arrived(void *context, char *topic, int, MQTTAsync_message *message) noexcept {
        const std::string_view payload(static_cast<const char *>(message->payload),
                                       static_cast<std::size_t>(message->payloadlen));
        if (link(context).on_message) link(context).on_message(payload);
        MQTTAsync_freeMessage(&message);
        MQTTAsync_free(topic);
        return 1;  // 0 would acknowledge just the same, and keep the message inside the library
    }

    static void answer(void *context, Kind kind, int reason, const char *text = "") {
        const auto &delivery = *static_cast<Link::Delivery *>(context);
        delivery.link->push({kind, delivery.id, reason, text});
    }
    static void published(void *context, MQTTAsync_successData *) noexcept {
        answer(context, Kind::acknowledged, 0);
    }
    static void published5(void *context, MQTTAsync_successData5 *data) noexcept {
        answer(context, Kind::acknowledged, data != nullptr ? data->reasonCode : 0);
    }
    static void unpublished(void *context, MQTTAsync_failureData *) noexcept {
        answer(context, Kind::unanswered, 0, "connection lost");
    }
    static void unpublished5(void *context, MQTTAsync_failureData5 *data) noexcept {
        const int reason = data != nullptr ? data->reasonCode : 0;
        if (reason >= mqtt::first_failure)
            answer(context, Kind::acknowledged, reason);
        else
            answer(context, Kind::unanswered, 0, "connection lost");
    }

    static void subscribed(void *context, MQTTAsync_successData *data) noexcept {
        grant(link(context), data != nullptr ? data->alt.qos : 0);
    }
    static void subscribed5(void *context, MQTTAsync_successData5 *data) noexcept {
        grant(link(context), data != nullptr ? data->reasonCode : 0);
    }
    static void grant(Link &link, int reason) {
        if (reason >= mqtt::first_failure) return deny(link, reason);
        link.push({Kind::subscribed, 0, reason, ""});
    }
    static void unsubscribed(void *context, MQTTAsync_failureData *data) noexcept {
        deny(link(context), data != nullptr && data->code > 0 ? mqtt::first_failure : 0);
    }
    static void unsubscribed5(void *context, MQTTAsync_failureData5 *data) noexcept {
        deny(link(context), data != nullptr ? data->reasonCode : 0);
    }
    static void deny(Link &link, int reason) {
        if (reason < mqtt::first_failure) return;  // the link was lost before the answer came
        link.push({Kind::denied, 0, reason, mqtt_reason_text(reason)});
    }
    // "…:error:0A000086:SSL routines:FUNCTION:certificate verify failed:FILE:LINE:": the reason is the sixth part.
    static int tls_error(const char *text, std::size_t size, void *context) noexcept {
        std::string_view rest(text, size);
        for (int part = 0; part < 5 && rest.find(':') != std::string_view::npos; ++part)
            rest.remove_prefix(rest.find(':') + 1);
        const std::lock_guard guard(link(context).tls_lock);
        link(context).tls_error = printable(rest.substr(0, rest.find_first_of(":\n")));
        return 1;
    }
};

void MqttConnection::Link::begin_subscription() {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = this;
    if (version == MQTTVERSION_5) {
        response.onSuccess5 = Callbacks::subscribed5;
        response.onFailure5 = Callbacks::unsubscribed5;
    } else {
        response.onSuccess = Callbacks::subscribed;
        response.onFailure = Callbacks::unsubscribed;
    }
    const int code = MQTTAsync_subscribe(client, subscribe.c_str(), 1, &response);
    if (code != MQTTASYNC_SUCCESS)
        push({MqttEvent::Kind::lost, 0, 0, "unable to subscribe: " + library_text(code, nullptr)});
}

std::string MqttConnection::Link::failure_text(int code, const char *message) {
    const std::lock_guard guard(tls_lock);
    if (!tls_error.empty()) return "TLS: " + tls_error;
    const std::string text = library_text(code, message);
    if (text == hung_up) return "it hangs up instead of answering (does it want TLS?)";
    if (text != no_connection && text != name_unknown) return text;
    return tls ? "no connection (nobody there, no TLS there, or a certificate for another host name)"
               : "no connection (nobody there)";
}

struct MqttConnection::Impl {
    MqttOptions options;
    MqttSession session;
    OnMessage on_message;
    std::shared_ptr<Queue> queue = std::make_shared<Queue>();
    std::unique_ptr<Link> link;
    unsigned epoch = 0;
    int version = MQTTVERSION_5;
    enum class State { idle, connecting, up, waiting, refused } state = State::idle;
    Backoff backoff{first_delay, longest_delay};
    Clock::time_point due, since;
    std::size_t receive_maximum = 0;
    std::string trouble;
    Throttle failure_said, loss_said;
    bool was_connected = false, fallback_said = false, short_lived = false;

    void connect();
    void begin_connect(Link &next);
    bool handle(Queue::Entry &entry);
    void retry_later(const MqttEvent &event);
    bool try_old_version(const MqttEvent &event);
};

MqttConnection::MqttConnection(const MqttOptions &options, const MqttSession &session, OnMessage on_message)
    : impl_(std::make_unique<Impl>()) {
    impl_->options = options;
    impl_->session = session;
    impl_->on_message = std::move(on_message);
    impl_->version = options.version == "3.1.1" ? MQTTVERSION_3_1_1 : MQTTVERSION_5;
}

MqttConnection::~MqttConnection() {
    close(seconds(1));
}

void MqttConnection::start() {
    impl_->connect();
}
int MqttConnection::fd() const {
    return impl_->queue->wake_fd.get();
}
void MqttConnection::wake() {
    impl_->queue->wake();
}
bool MqttConnection::connected() const {
    return impl_->state == Impl::State::up;
}
bool MqttConnection::refused() const {
    return impl_->state == Impl::State::refused;
}
std::size_t MqttConnection::receive_maximum() const {
    return impl_->receive_maximum;
}

milliseconds MqttConnection::timeout() const {
    if (impl_->state != Impl::State::waiting) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(impl_->due - Clock::now()));
}

bool MqttConnection::wait(Clock::time_point end) {
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
    pollfd ask{fd(), POLLIN, 0};
    return ::poll(&ask, 1, static_cast<int>(left.count())) > 0;
}

std::string MqttConnection::status() const {
    const std::string address = impl_->options.address();
    switch (impl_->state) {
        case Impl::State::idle:
        case Impl::State::refused:
            return "not connected";
        case Impl::State::connecting:
            return "connecting to " + address;
        case Impl::State::up:
            return "connected to " + address;
        case Impl::State::waiting:
            break;
    }
    const auto wait = std::chrono::ceil<seconds>(std::max(Clock::duration(0), impl_->due - Clock::now()));
    return address + ": " + impl_->trouble + ", next try in " + std::to_string(wait.count()) + " s";
}

void MqttConnection::Impl::connect() {
    auto next = std::make_unique<Link>();
    next->queue = queue;
    next->epoch = ++epoch;
    next->version = version;
    next->tls = options.tls;
    next->subscribe = session.subscribe;
    next->on_message = on_message;
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.MQTTVersion = version;
    const std::string uri = (options.tls ? "ssl://" : "tcp://") + options.address();
    const int code = MQTTAsync_createWithOptions(&next->client, uri.c_str(), session.client_id.c_str(),
                                                 MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
    if (code != MQTTASYNC_SUCCESS)
        throw Error(ExitCode::system, "unable to make an MQTT client: " + library_text(code, nullptr));
    MQTTAsync_setCallbacks(next->client, next.get(), Callbacks::lost, Callbacks::arrived, nullptr);
    if (version == MQTTVERSION_5)
        MQTTAsync_setDisconnected(next->client, next.get(), Callbacks::disconnected);
    link.swap(next);
    next.reset();  // the old one only now: without any client paho stops its threads, and waits for them
    state = State::connecting;
    begin_connect(*link);
}

void MqttConnection::Impl::begin_connect(Link &next) {
    const bool five = version == MQTTVERSION_5;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
    if (five) connect = MQTTAsync_connectOptions_initializer5;
    connect.context = &next;
    connect.MQTTVersion = version;
    connect.keepAliveInterval = static_cast<int>(std::chrono::ceil<seconds>(options.keepalive).count());
    connect.connectTimeout = static_cast<int>(connect_limit.count());
    if (!options.username.empty()) connect.username = options.username.c_str();
    if (options.password) {
        connect.binarypwd.data = options.password->data();
        connect.binarypwd.len = static_cast<int>(options.password->size());
    }
    MQTTProperties properties = MQTTProperties_initializer;
    if (five) {
        connect.cleanstart = session.persistent ? 0 : 1;
        connect.onSuccess5 = Callbacks::connected5;
        connect.onFailure5 = Callbacks::failed5;
        MQTTProperty expiry{};
        expiry.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
        expiry.value.integer4 = never_expires;
        if (session.persistent) MQTTProperties_add(&properties, &expiry);
        connect.connectProperties = &properties;
    } else {
        connect.cleansession = session.persistent ? 0 : 1;
        connect.onSuccess = Callbacks::connected;
        connect.onFailure = Callbacks::failed;
    }
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    will.topicName = session.status_topic.c_str();
    will.message = "offline";
    will.retained = 1;
    will.qos = 1;
    if (!session.status_topic.empty()) connect.will = &will;

    const auto text = [](const std::string &value) { return value.empty() ? nullptr : value.c_str(); };
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.trustStore = text(options.cafile);
    tls.CApath = text(options.capath);
    tls.keyStore = text(options.cert);
    tls.privateKey = text(options.key);
    tls.enableServerCertAuth = options.insecure ? 0 : 1;
    tls.verify = options.insecure ? 0 : 1;  // the host name; off by default in paho
    tls.ssl_error_cb = Callbacks::tls_error;
    tls.ssl_error_context = &next;
    if (options.tls) connect.ssl = &tls;

    const int code = MQTTAsync_connect(next.client, &connect);
    MQTTProperties_free(&properties);
    if (code != MQTTASYNC_SUCCESS) next.push({MqttEvent::Kind::failed, 0, 0, library_text(code, nullptr)});
}

std::vector<MqttEvent> MqttConnection::step() {
    std::vector<MqttEvent> events;
    for (auto &entry : impl_->queue->take())
        if (entry.epoch == impl_->epoch && impl_->handle(entry)) events.push_back(std::move(entry.event));
    if (impl_->state == Impl::State::waiting && Clock::now() >= impl_->due) impl_->connect();
    return events;
}

// True: the event concerns the caller.
bool MqttConnection::Impl::handle(Queue::Entry &entry) {
    auto &event = entry.event;
    switch (event.kind) {
        case MqttEvent::Kind::connected:
            state = State::up;
            was_connected = true;
            since = Clock::now();
            receive_maximum = entry.receive_maximum;
            failure_said.reset();
            if (version != MQTTVERSION_5 && options.version == "auto" && !std::exchange(fallback_said, true))
                log_warning("the broker " + options.address() +
                            " refuses MQTT 5: using 3.1.1, which cannot tell when a message is denied");
            return true;
        case MqttEvent::Kind::failed:
            if (try_old_version(event)) return false;
            if (session.end_when_refused && !was_connected && mqtt_reason_is_configuration(event.reason)) {
                state = State::refused;
                return true;
            }
            retry_later(event);
            if (failure_said.due())
                log_warning("unable to connect to the broker " + options.address() + ": " + event.text +
                            "; trying on");
            return true;
        case MqttEvent::Kind::lost:
            if (state != State::up) return false;
            short_lived = Clock::now() - since < steady_after;
            if (!short_lived) {
                backoff.reset();
                loss_said.reset();
            }
            if (options.version == "auto") version = MQTTVERSION_5;
            ++epoch;  // what this link still has to say is of no interest
            retry_later(event);
            if (loss_said.due())
                log_warning("the link to the broker " + options.address() + " is lost: " + event.text +
                            (short_lived && !options.client_id.empty()
                                 ? " (does another client use the client id " + options.client_id + "?)"
                                 : "") +
                            "; connecting again");
            return true;
        case MqttEvent::Kind::acknowledged:
        case MqttEvent::Kind::unanswered:
            link->deliveries.erase(event.id);
            return true;
        case MqttEvent::Kind::subscribed:
        case MqttEvent::Kind::denied:
            return true;
    }
    return false;
}

void MqttConnection::Impl::retry_later(const MqttEvent &event) {
    state = State::waiting;
    receive_maximum = 0;
    trouble = event.text;
    due = Clock::now() + backoff.next();
}

// With --mqtt-version auto: an old broker answers MQTT 5 with a return code, or just hangs up. Each new link tries 5 first,
// so a broker that was only being restarted is not taken for an old one for ever.
bool MqttConnection::Impl::try_old_version(const MqttEvent &event) {
    if (options.version != "auto") return false;
    const bool old = event.reason == mqtt::unsupported_version || link->hung_up_on;
    if (version != MQTTVERSION_5 || !old) {
        version = MQTTVERSION_5;
        return false;
    }
    version = MQTTVERSION_3_1_1;
    connect();
    return true;
}

bool MqttConnection::publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                             bool retained) {
    if (!connected()) return false;
    Link &link = *impl_->link;
    const auto [place, fresh] = link.deliveries.try_emplace(id, Link::Delivery{&link, id});
    if (!fresh) throw Error(ExitCode::software, "message " + std::to_string(id) + " is already outstanding");
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = &place->second;
    if (link.version == MQTTVERSION_5) {
        response.onSuccess5 = Callbacks::published5;
        response.onFailure5 = Callbacks::unpublished5;
    } else {
        response.onSuccess = Callbacks::published;
        response.onFailure = Callbacks::unpublished;
    }
    const int code = MQTTAsync_send(link.client, topic.c_str(), static_cast<int>(payload.size()),
                                    payload.data(), 1, retained ? 1 : 0, &response);
    if (code != MQTTASYNC_SUCCESS) link.deliveries.erase(place);
    return code == MQTTASYNC_SUCCESS;
}

bool MqttConnection::close(milliseconds limit) {
    if (!impl_->link) return true;
    ++impl_->epoch;
    impl_->state = Impl::State::idle;
    // A thread for the sake of the limit only: paho waits for its lock, for its threads, and on some versions for ever.
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    std::thread([link = impl_->link.release(), done]() mutable {
        delete link;
        done->set_value();
    }).detach();
    return future.wait_for(limit) == std::future_status::ready;
}

void MqttConnection::hang_up(milliseconds limit) {
    // Paho keeps its socket to itself: it is the one whose other end has the broker's port.
    for (int fd = STDERR_FILENO + 1; fd < highest_fd; ++fd) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr *>(&peer), &size) != 0) continue;
        const auto port = peer.ss_family == AF_INET    ? reinterpret_cast<sockaddr_in &>(peer).sin_port
                          : peer.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6 &>(peer).sin6_port
                                                       : in_port_t{0};
        if (ntohs(port) != impl_->options.port || ::shutdown(fd, SHUT_WR) != 0) continue;
        pollfd ask{fd, POLLRDHUP, 0};
        ::poll(&ask, 1, static_cast<int>(limit.count()));
    }
}

}  // namespace ble
