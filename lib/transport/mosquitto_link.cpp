#include "transport/mosquitto_link.hpp"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transport/assertion_guard.hpp"
#include "transport/mqtt_reason.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds care_period(1000);  // keep-alive is looked after so often
constexpr int most_outstanding = 65'535;   // MQTT 5, 3.3.4: a receive maximum's largest value
constexpr int packets_at_once = 100;
constexpr char no_tls[] = "TLS: what answers there does not speak it";
constexpr char system_authorities[] = "/etc/ssl/certs";

void require(int code, const char *what) {
    if (code != MOSQ_ERR_SUCCESS)
        throw Error(ExitCode::system, std::string("unable to ") + what + ": " + mosquitto_strerror(code));
}

// Where to, when a broker says that it has moved.
std::string server_reference(const mosquitto_property *properties) {
    char *text = nullptr;
    mosquitto_property_read_string(properties, MQTT_PROP_SERVER_REFERENCE, &text, false);
    const std::unique_ptr<char, decltype(&std::free)> owned(text, std::free);
    return text != nullptr ? text : "";
}

std::string reason_text(int reason, const mosquitto_property *properties) {
    return mqtt_reason_text(reason) + mqtt_reason_advice(reason, server_reference(properties));
}

const char *text_or_none(const std::string &value) {
    return value.empty() ? nullptr : value.c_str();
}

}  // namespace

// Shared with the thread that connects, which may outlive the link.
struct MosquittoLink::Client {
    MosquittoLink *link = nullptr;
    mosquitto *handle = nullptr;
    std::string trouble;  // the library's first complaint; the other thread's until `dialled`
    FoundAddress found;   // this and the next two likewise
    int code = 0, error = 0;
    std::atomic<bool> dialled{false};

    void dial(const std::string &host, int port, int keepalive, const AddressMemory &memory);

    ~Client() {
        if (handle != nullptr) mosquitto_destroy(handle);
    }
};

// What libmosquitto calls from step() and publish(); log() also from the thread that connects.
struct MosquittoLink::Callbacks {
    using Kind = MqttEvent::Kind;
    static MosquittoLink &link(void *context) { return *static_cast<Client *>(context)->link; }

    static void connected(mosquitto *, void *context, int code, int,
                          const mosquitto_property *properties) noexcept {
        MosquittoLink &self = link(context);
        if (code != 0) {
            const int reason = code >= mqtt::first_failure ? code : mqtt_reason_of_return_code(code);
            return self.end(reason, reason_text(reason, properties));
        }
        std::uint8_t qos = 1;
        mosquitto_property_read_byte(properties, MQTT_PROP_MAXIMUM_QOS, &qos, false);
        if (qos < 1)
            return self.end(mqtt::qos_not_supported, reason_text(mqtt::qos_not_supported, properties));
        MqttEvent event{Kind::connected};
        event.text = self.five_ ? "MQTT 5" : "MQTT 3.1.1";
        std::uint16_t outstanding = 0;
        if (mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &outstanding, false))
            event.receive_maximum = outstanding;
        std::uint32_t bytes = 0;
        if (mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &bytes, false))
            event.packet_maximum = bytes;
        self.state_ = State::up;
        self.push(std::move(event));
    }
    static void disconnected(mosquitto *, void *context, int code,
                             const mosquitto_property *properties) noexcept {
        if (code >= mqtt::first_failure) link(context).end(code, reason_text(code, properties));
    }
    static void published(mosquitto *, void *context, int packet, int reason,
                          const mosquitto_property *) noexcept {
        MosquittoLink &self = link(context);
        const auto found = self.outstanding_.find(packet);
        if (found == self.outstanding_.end()) return;
        self.push({Kind::acknowledged, found->second, reason, {}});
        self.outstanding_.erase(found);
    }
    static void subscribed(mosquitto *, void *context, int, int count, const int *granted,
                           const mosquitto_property *) noexcept {
        if (count < 1) return;
        const bool refused = granted[0] >= mqtt::first_failure;
        link(context).push({refused ? Kind::denied : Kind::subscribed, 0, granted[0],
                            refused ? mqtt_reason_text(granted[0]) : ""});
    }
    static void arrived(mosquitto *, void *context, const mosquitto_message *message,
                        const mosquitto_property *) noexcept {
        MqttEvent event{Kind::message};
        event.text.assign(static_cast<const char *>(message->payload),
                          static_cast<std::size_t>(message->payloadlen));
        event.topic = message->topic;
        link(context).push(std::move(event));
    }
    static void log(mosquitto *, void *context, int level, const char *text) noexcept {
        auto &trouble = static_cast<Client *>(context)->trouble;
        if (level == MOSQ_LOG_ERR && trouble.empty()) trouble = printable(text);
    }
};

MosquittoLink::MosquittoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five,
                             const MqttOptions &options, const PublisherSession &session)
    : queue_(std::move(queue)),
      epoch_(epoch),
      five_(five),
      options_(options),
      client_(std::make_shared<Client>()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw system_error("make an epoll");
    static const int ready = mosquitto_lib_init();
    require(ready, "begin with libmosquitto");
    client_->link = this;
    client_->handle = mosquitto_new(session.client_id.c_str(), true, client_.get());
    if (client_->handle == nullptr) throw system_error("make an MQTT client");
    configure(session);
    if (options_.tls) configure_tls();
}

MosquittoLink::~MosquittoLink() {
    if (state_ == State::greeting || state_ == State::up) mosquitto_disconnect(client_->handle);
}

void MosquittoLink::configure(const PublisherSession &session) {
    mosquitto *handle = client_->handle;
    require(mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION,
                                 five_ ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311),
            "choose the version of MQTT");
    require(mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, most_outstanding), "set the window");
    if (!options_.username.empty())
        require(mosquitto_username_pw_set(handle, options_.username.c_str(),
                                          options_.password ? options_.password->c_str() : nullptr),
                "set the user name");
    constexpr std::string_view will = "offline";
    if (!session.status_topic.empty())
        require(mosquitto_will_set(handle, session.status_topic.c_str(), static_cast<int>(will.size()),
                                   will.data(), 1, true),
                "set the last will");
    mosquitto_connect_v5_callback_set(handle, Callbacks::connected);
    mosquitto_disconnect_v5_callback_set(handle, Callbacks::disconnected);
    mosquitto_publish_v5_callback_set(handle, Callbacks::published);
    mosquitto_subscribe_v5_callback_set(handle, Callbacks::subscribed);
    mosquitto_message_v5_callback_set(handle, Callbacks::arrived);
    mosquitto_log_callback_set(handle, Callbacks::log);
}

// The certificate and the host name are verified by default.
void MosquittoLink::configure_tls() {
    mosquitto *handle = client_->handle;
    const bool of_system = options_.cafile.empty() && options_.capath.empty();
    const char *folder = of_system ? system_authorities : text_or_none(options_.capath);
    if (of_system)
        require(mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1), "use the system's authorities");
    const std::string &key = options_.key.empty() ? options_.cert : options_.key;
    const int code = mosquitto_tls_set(handle, text_or_none(options_.cafile), folder,
                                       text_or_none(options_.cert), text_or_none(key), nullptr);
    if (code != MOSQ_ERR_SUCCESS)
        throw Error(ExitCode::config,
                    std::string("unable to use the certificates: ") + mosquitto_strerror(code));
    if (!options_.insecure) return;
    require(mosquitto_tls_opts_set(handle, 0, nullptr, nullptr), "accept any certificate");
    require(mosquitto_tls_insecure_set(handle, true), "accept any host name");
}

// In the thread that connects.
void MosquittoLink::Client::dial(const std::string &host, int port, int keepalive,
                                 const AddressMemory &memory) {
    found = find_address(host, static_cast<std::uint16_t>(port), memory, address_limit);
    if (found.address.empty()) return;
    const SteeredLookup steered(host, found.address);
    errno = 0;
    code = mosquitto_connect(handle, host.c_str(), port, keepalive);
    error = errno;
}

void MosquittoLink::connect(const AddressMemory &memory) {
    state_ = State::dialling;
    deadline_ = Clock::now() + connect_limit;
    std::thread([client = client_, queue = queue_, host = options_.host,
                 port = static_cast<int>(options_.port), memory,
                 keepalive = static_cast<int>(std::chrono::ceil<seconds>(options_.keepalive).count())] {
        client->dial(host, port, keepalive, memory);
        client->dialled = true;
        queue->wake();
    }).detach();
}

std::string MosquittoLink::address() const {
    return address_;
}

milliseconds MosquittoLink::timeout() const {
    if (state_ == State::idle || state_ == State::ended) return milliseconds(-1);
    const auto due = state_ == State::dialling ? deadline_ : next_care_;
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due - Clock::now()));
}

void MosquittoLink::step() {
    if (state_ == State::idle || state_ == State::ended) return;
    const auto now = Clock::now();
    if (state_ == State::dialling && client_->dialled) {
        state_ = State::greeting;
        address_ = client_->found.address;
        if (address_.empty()) return give_up(client_->found.trouble);
        errno = client_->error;
        check(client_->code);
    }
    if (state_ == State::dialling || state_ == State::greeting)
        if (now >= deadline_)
            return give_up("no answer within " + std::to_string(connect_limit.count()) + " s");
    if (state_ == State::dialling || state_ == State::ended) return;
    read();
    if (state_ != State::ended && mosquitto_want_write(client_->handle))
        check(mosquitto_loop_write(client_->handle, packets_at_once));
    if (state_ != State::ended && now >= next_care_) {
        next_care_ = now + care_period;
        check(mosquitto_loop_misc(client_->handle));
    }
    watch();
}

void MosquittoLink::read() {
    int code = MOSQ_ERR_SUCCESS;
    const auto failed =
        guard_assertions([&] { code = mosquitto_loop_read(client_->handle, packets_at_once); });
    if (failed.empty()) {
        check(code);
        if (state_ == State::ended) client_.reset();  // by a callback, with the connection still open
        return;
    }
    ::close(mosquitto_socket(client_->handle));
    client_->handle = nullptr;  // the rest is left as it is: libmosquitto may hold its locks
    give_up("a packet that libmosquitto fails at (" + failed + ")");
}

// Follows what libmosquitto waits for.
void MosquittoLink::watch() {
    if (state_ != State::greeting && state_ != State::up) return;
    const int fd = mosquitto_socket(client_->handle);
    const bool for_room = mosquitto_want_write(client_->handle);
    if (fd < 0 || (fd == watched_ && for_room == watched_for_room_)) return;
    epoll_event event{for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, {}};
    if (::epoll_ctl(epoll_.get(), fd == watched_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        throw system_error("watch the broker's connection");
    watched_ = fd;
    watched_for_room_ = for_room;
}

// The answer of libmosquitto's last function, of which errno may still tell more.
void MosquittoLink::check(int code) {
    const int error = errno;
    if (code == MOSQ_ERR_SUCCESS || state_ == State::ended) return;
    hung_up_ = state_ == State::greeting && code == MOSQ_ERR_CONN_LOST;
    // To libmosquitto the short CONNACK of an old broker is a malformed packet of MQTT 5; 2.0.11 tells the callback first.
    const bool no_mqtt_5 = state_ == State::greeting && five_ &&
                           (code == MOSQ_ERR_PROTOCOL || code == MOSQ_ERR_MALFORMED_PACKET);
    if (no_mqtt_5) {
        end(mqtt::unsupported_version, mqtt_reason_text(mqtt::unsupported_version));
        return client_.reset();
    }
    // That of 2.0.21 and later takes mosquitto's "too large" (0x95) for no answer to a publish, as the standard does.
    const bool answer_unknown = state_ == State::up && code == MOSQ_ERR_PROTOCOL;
    if (options_.tls && state_ == State::greeting && !(hung_up_ && five_ && options_.version == "auto")) {
        fail_after_look(queue_, epoch_, options_, address_, trouble_text(code, error));
        finish();
        return client_.reset();
    }
    give_up(trouble_text(code, error), answer_unknown ? mqtt::protocol_error : 0);
}

// Not from a callback.
void MosquittoLink::give_up(const std::string &text, int reason) {
    end(reason, text);
    client_.reset();  // the connection may be whole, and nobody reads it any more
}

std::string MosquittoLink::trouble_text(int code, int error) const {
    if (hung_up_) return "it hangs up instead of answering (does it want TLS?)";
    switch (code) {
        case MOSQ_ERR_TLS:
        case MOSQ_ERR_TLS_HANDSHAKE: {
            // "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed"
            std::string text = client_->trouble.substr(client_->trouble.rfind(':') + 1);
            text.erase(0, text.find_first_not_of(' '));
            if (text.ends_with('.')) text.pop_back();
            return text.empty() ? no_tls : "TLS: " + text;
        }
        case MOSQ_ERR_KEEPALIVE:
            return "no sign of life within the keep-alive time";
        case MOSQ_ERR_ERRNO:
            if (options_.tls && error == EPROTO)
                return no_tls;  // so says libmosquitto of some of OpenSSL's errors
            return error != 0 ? std::strerror(error) : "no connection";
        case MOSQ_ERR_PROTOCOL:
        case MOSQ_ERR_MALFORMED_PACKET:
            return "what it sends is not what MQTT says";
        default:
            return mosquitto_strerror(code);
    }
}

void MosquittoLink::end(int reason, const std::string &text) {
    if (state_ == State::ended) return;
    const auto kind = state_ == State::up ? MqttEvent::Kind::lost : MqttEvent::Kind::failed;
    finish();
    push({kind, 0, reason, text});
}

void MosquittoLink::finish() {
    state_ = State::ended;
    outstanding_.clear();
}

bool MosquittoLink::publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                            bool retained) {
    if (state_ != State::up) return false;
    int packet = 0;
    const int code = mosquitto_publish(client_->handle, &packet, topic.c_str(),
                                       static_cast<int>(payload.size()), payload.data(), 1, retained);
    // What a broker that has closed the link said before: acknowledgements, and last its reason.
    for (int i = 0; i < 2 && code != MOSQ_ERR_SUCCESS && state_ == State::up; ++i) read();
    check(code);
    if (code == MOSQ_ERR_SUCCESS && !outstanding_.try_emplace(packet, id).second)
        give_up(
            "a message was not acknowledged while all later ones were");  // libmosquitto uses its number again
    watch();
    return code == MOSQ_ERR_SUCCESS && state_ == State::up;
}

void MosquittoLink::subscribe(const std::string &topic) {
    if (state_ == State::up) check(mosquitto_subscribe(client_->handle, nullptr, topic.c_str(), 1));
}

void MosquittoLink::unsubscribe(const std::string &topic) {
    if (state_ == State::up) check(mosquitto_unsubscribe(client_->handle, nullptr, topic.c_str()));
}

MakeMqttLink mosquitto_links(const MqttOptions &options, const PublisherSession &session,
                             MosquittoLink *&newest) {
    return [&](std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five) {
        auto made = std::make_unique<MosquittoLink>(std::move(queue), epoch, five, options, session);
        newest = made.get();
        return made;
    };
}

}  // namespace ble
