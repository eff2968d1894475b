#include "transport/mosquitto_link.hpp"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transport/assertion_guard.hpp"
#include "transport/mqtt_disconnect.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds care_period(1000);  // keep-alive is looked after so often
constexpr int packets_at_once = 100;
constexpr std::string_view share_prefix = "$share/";
constexpr char unknown_whether_it_shares[] =
    "it speaks MQTT 3.1.1 only, and so cannot say whether it has shared subscriptions (--share). If this "
    "broker has them, use --mqtt-version 3.1.1; if not, divide the load by topics (--shards)";
constexpr int packets_in_a_row = 2000;  // more than a window

std::string text_of(const mosquitto_property *properties, int name) {
    char *text = nullptr;
    mosquitto_property_read_string(properties, name, &text, false);
    const std::unique_ptr<char, decltype(&std::free)> owned(text, std::free);
    return text != nullptr ? text : "";
}

}  // namespace

// What libmosquitto calls from step() and publish(); log() also from the thread that connects.
struct MosquittoLink::Callbacks {
    using Kind = MqttEvent::Kind;
    static MosquittoLink &link(void *context) { return *static_cast<MosquittoClient *>(context)->link; }

    static void connected(mosquitto *, void *context, int code, int,
                          const mosquitto_property *properties) noexcept {
        MosquittoLink &self = link(context);
        if (code != 0) {
            const int reason = code >= mqtt::first_failure ? code : mqtt_reason_of_return_code(code);
            const auto server = text_of(properties, MQTT_PROP_SERVER_REFERENCE);
            const auto words = text_of(properties, MQTT_PROP_REASON_STRING);
            return self.end(reason, mqtt_reason_in_full(reason, words, server), server);
        }
        std::uint8_t qos = 1;
        mosquitto_property_read_byte(properties, MQTT_PROP_MAXIMUM_QOS, &qos, false);
        if (qos < 1) return self.end(mqtt::qos_not_supported, mqtt_reason_in_full(mqtt::qos_not_supported));
        MqttEvent event{Kind::connected};
        event.text = self.five_ ? "MQTT 5" : "MQTT 3.1.1";
        if (self.tunnel_) event.text += ", WebSocket";
        std::uint16_t outstanding = 0;
        if (mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &outstanding, false))
            event.receive_maximum = outstanding;
        std::uint32_t bytes = 0;
        if (mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &bytes, false))
            event.packet_maximum = bytes;
        std::uint8_t shares = 1;
        mosquitto_property_read_byte(properties, MQTT_PROP_SHARED_SUB_AVAILABLE, &shares, false);
        self.shares_ = shares != 0;
        self.state_ = State::up;
        // From now on it would write a line for each packet, to say what the TLS connection alone may have to say.
        if (!self.options_.tls) mosquitto_log_callback_set(self.client_->handle, nullptr);
        self.push(std::move(event));
        self.to_subscribe_ = !self.session_.subscribe.empty();
    }
    static void disconnected(mosquitto *, void *context, int code, const mosquitto_property *) noexcept {
        if (code < mqtt::first_failure) return;
        MosquittoLink &self = link(context);
        const auto said = find_mqtt_disconnect(self.ahead_.seen(), code);
        if (!said) return self.end(code, mqtt_reason_in_full(code));
        self.end(code, mqtt_reason_in_full(code, said->words, said->server), said->server);
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
        const auto [lowest, highest] = std::minmax_element(granted, granted + count);
        const bool refused = *highest >= mqtt::first_failure;
        link(context).push({refused ? Kind::denied : Kind::subscribed, 0, refused ? *highest : *lowest,
                            refused ? mqtt_reason_in_full(*highest) : ""});
    }
    static void arrived(mosquitto *, void *context, const mosquitto_message *message,
                        const mosquitto_property *) noexcept {
        MosquittoLink &self = link(context);
        if (self.state_ == State::ended) return;
        const auto size = static_cast<std::size_t>(message->payloadlen);
        if (self.session_.window != nullptr) {
            self.session_.window->add(size);
            self.withholds_ = true;
        }
        MqttEvent event{Kind::message};
        event.text.assign(static_cast<const char *>(message->payload), size);
        event.topic = message->topic;
        self.push(std::move(event));
    }
    static void log(mosquitto *, void *context, int level, const char *text) noexcept {
        auto &trouble = static_cast<MosquittoClient *>(context)->trouble;
        if (level == MOSQ_LOG_ERR && trouble.empty()) trouble = printable(text);
    }
};

MosquittoLink::MosquittoLink(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt)
    : queue_(std::move(queue)),
      epoch_(attempt.epoch),
      met_(attempt.met),
      five_(attempt.five),
      options_(attempt.options),
      server_(attempt.server),
      session_(attempt.session),
      client_(std::make_shared<MosquittoClient>(attempt, this)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw system_error("make an epoll");
    mosquitto *handle = client_->handle;
    mosquitto_connect_v5_callback_set(handle, Callbacks::connected);
    mosquitto_disconnect_v5_callback_set(handle, Callbacks::disconnected);
    mosquitto_publish_v5_callback_set(handle, Callbacks::published);
    mosquitto_subscribe_v5_callback_set(handle, Callbacks::subscribed);
    mosquitto_message_v5_callback_set(handle, Callbacks::arrived);
    mosquitto_log_callback_set(handle, Callbacks::log);
}

MosquittoLink::~MosquittoLink() {
    close(milliseconds(0));
}

void MosquittoLink::close(milliseconds limit) {
    if (!connected()) return;
    client_->part(!withholds_, tunnel_ ? milliseconds(0) : limit);
    if (tunnel_) tunnel_->close(limit);
    finish();
}

void MosquittoLink::connect(const AddressMemory &memory) {
    state_ = State::dialling;
    deadline_ = Clock::now() + connect_limit;
    std::thread([client = client_, queue = queue_, memory] {
        client->dial(memory);
        queue->wake();
    }).detach();
}

milliseconds MosquittoLink::timeout() const {
    if (state_ == State::idle || state_ == State::ended) return milliseconds(-1);
    const auto of_tunnel = tunnel_ ? tunnel_->timeout() : milliseconds(-1);
    if (!may_read()) return of_tunnel;
    const SSL *const ssl = state_ == State::up ? tls() : nullptr;
    if (ssl != nullptr && SSL_pending(ssl) > 0) return milliseconds(0);  // no event tells of it
    const auto due = connecting() ? deadline_ : next_care_;
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due - Clock::now()));
    return of_tunnel.count() < 0 ? left : std::min(left, of_tunnel);
}

void MosquittoLink::step() {
    if (state_ == State::idle || state_ == State::ended) return;
    const auto now = Clock::now();
    if (state_ == State::dialling && client_->dialled) begin();
    if (tunnel_) dig();
    if (connecting() || state_ == State::greeting)
        if (now >= deadline_)
            return fail_to_connect("no answer within " + std::to_string(connect_limit.count()) + " s");
    if (!connected()) return;
    if (session_.window == nullptr) {
        look_ahead();
        read();
    } else {
        read_window();
    }
    if (!write()) return;
    // While a window waits, the answer to a sign of life would not be read.
    if (may_read() && now >= next_care_) {
        next_care_ = now + care_period;
        check(mosquitto_loop_misc(client_->handle));
    }
    watch();
}

// The address is found, and libmosquitto has connected to it unless a tunnel is to.
void MosquittoLink::begin() {
    address_ = client_->found.address;
    if (address_.empty()) return give_up(client_->found.trouble);
    if (!server_.websocket) {
        state_ = State::greeting;
        errno = client_->error;
        return check(client_->code);
    }
    state_ = State::tunnelling;
    tunnel_ = std::make_unique<WebSocketTunnel>(options_, server_, address_);
    epoll_event event{EPOLLIN, {}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, tunnel_->fd(), &event) != 0)
        throw system_error("watch the broker's WebSocket");
}

// The tunnel's share of a step. Of one that has ended libmosquitto hears when it has read what came before.
void MosquittoLink::dig() {
    tunnel_->step();
    if (state_ != State::tunnelling || tunnel_->state() == WebSocketTunnel::State::opening) return;
    if (tunnel_->state() == WebSocketTunnel::State::ended) {
        const std::string text = tunnel_->trouble();
        if (!tunnel_->tls_in_doubt()) return give_up(text);
        fail_after_look(queue_, {options_, server_, session_, five_, epoch_, met_}, address_, text);
        finish();
        return client_.reset();
    }
    state_ = State::greeting;
    try {
        tunnel_->join(client_->connect_within());
    } catch (const Error &error) {  // the disk may be full, which passes
        return give_up(error.what());
    }
    errno = client_->error;
    check(client_->code);
}

// As many messages as may be taken, or as there are. What we have to say goes out before the first of them.
void MosquittoLink::read_window() {
    MqttWindow &window = *session_.window;
    // A broker that never stops talking does not keep us here.
    for (int left = packets_in_a_row; left > 0; --left) {
        if (!connected() || (state_ == State::up && !window.open()) || !look_ahead()) break;
        read();
        if (!write()) return;
    }
    if (withholds_) window.close();
}

// Not while a window waits.
bool MosquittoLink::may_read() const {
    return session_.window == nullptr || state_ != State::up || session_.window->open();
}

SSL *MosquittoLink::tls() const {
    return static_cast<SSL *>(mosquitto_ssl_get(client_->handle));
}

// libmosquitto 2.0.20 wants to write from the start, and cannot before the handshake is done.
bool MosquittoLink::wants_to_write() const {
    const SSL *const ssl = tls();
    return mosquitto_want_write(client_->handle) &&
           (ssl == nullptr || SSL_is_init_finished(ssl) != 0 || SSL_want_write(ssl));
}

// Whether there is something to be read.
bool MosquittoLink::look_ahead() {
    // With a window libmosquitto reads one packet at a time, else all that is there.
    using Reach = MqttLookAhead::Reach;
    const auto look = [this] {
        return ahead_.look(mosquitto_socket(client_->handle), state_ == State::up ? tls() : nullptr,
                           session_.window != nullptr ? Reach::packet : Reach::all);
    };
    if (look()) return true;
    if (!tunnel_) return false;
    tunnel_->step();
    return look();
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

// False: the link has ended.
bool MosquittoLink::write() {
    if (connected() && std::exchange(to_subscribe_, false)) subscribe_session();
    if (!connected()) return false;
    if (!withholds_ && mosquitto_want_write(client_->handle))
        check(mosquitto_loop_write(client_->handle, packets_at_once));
    return connected();
}

void MosquittoLink::subscribe_session() {
    const auto &filters = session_.subscribe;
    const bool may_not_share = !five_ && options_.version == "auto";  // nor can it say so
    if ((!shares_ || may_not_share) && filters.front().starts_with(share_prefix))
        return push({MqttEvent::Kind::denied, 0, mqtt::sharing_not_supported,
                     shares_ ? unknown_whether_it_shares : mqtt_reason_in_full(mqtt::sharing_not_supported)});
    const auto pointers = [](std::vector<std::string> &texts) {
        std::vector<char *> out;
        out.reserve(texts.size());
        for (auto &text : texts) out.push_back(text.data());
        return out;
    };
    const auto ours = pointers(session_.subscribe), others = pointers(session_.unsubscribe);
    mosquitto *handle = client_->handle;
    check(mosquitto_subscribe_multiple(handle, nullptr, static_cast<int>(ours.size()), ours.data(), 1, 0,
                                       nullptr));
    if (!others.empty() && state_ == State::up)
        check(mosquitto_unsubscribe_multiple(handle, nullptr, static_cast<int>(others.size()), others.data(),
                                             nullptr));
}

// Follows what libmosquitto waits for. While messages wait, nothing of it concerns us, not even that the broker has gone.
void MosquittoLink::watch() {
    if (!connected()) return;
    const int fd = mosquitto_socket(client_->handle);
    if (fd < 0) return;
    const std::uint32_t wanted = !may_read() ? 0 : EPOLLIN | (wants_to_write() ? EPOLLOUT : 0U);
    if (fd == watched_ && wanted == watched_for_) return;
    epoll_event event{wanted, {}};
    const bool known = fd == watched_ && watched_for_ != 0;
    const int what = wanted == 0 ? EPOLL_CTL_DEL : known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if ((wanted != 0 || known) && ::epoll_ctl(epoll_.get(), what, fd, &event) != 0)
        throw system_error("watch the broker's connection");
    watched_ = fd;
    watched_for_ = wanted;
}

void MosquittoLink::release() {
    withholds_ = false;
    if (!write()) return;
    watch();
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
    const std::string text = trouble_text(code, error);
    // That of 2.0.21 and later takes mosquitto's "too large" (0x95) for no answer to a publish, as the standard does.
    const bool answer_unknown = state_ == State::up && code == MOSQ_ERR_PROTOCOL;
    if (state_ == State::greeting && !(hung_up_ && five_ && options_.version == "auto"))
        return fail_to_connect(text);
    give_up(text, answer_unknown ? mqtt::protocol_error : 0);
}

// Not from a callback. What is there may be no broker, or one whose TLS is wrong.
void MosquittoLink::fail_to_connect(const std::string &text) {
    if ((!options_.tls && met_) || tunnel_ || state_ != State::greeting) return give_up(text);
    fail_after_look(queue_, {options_, server_, session_, five_, epoch_, met_}, address_, text);
    finish();
    client_.reset();
}

std::string MosquittoLink::trouble_text(int code, int error) const {
    if (tunnel_ && !tunnel_->trouble().empty()) return tunnel_->trouble();
    if (!hung_up_) return client_->trouble_text(code, error);
    return tunnel_ ? "it closes the WebSocket instead of answering (is there a broker at that path?)"
                   : "it hangs up instead of answering (does it want TLS?)";
}

// Not from a callback.
void MosquittoLink::give_up(const std::string &text, int reason) {
    end(reason, text);
    client_.reset();  // the connection may be whole, and nobody reads it any more
}

void MosquittoLink::end(int reason, const std::string &text, const std::string &server) {
    if (state_ == State::ended) return;
    const auto kind = state_ == State::up ? MqttEvent::Kind::lost : MqttEvent::Kind::failed;
    finish();
    push({kind, 0, reason, text, {}, server});
}

void MosquittoLink::finish() {
    state_ = State::ended;
    tunnel_.reset();
    outstanding_.clear();
}

bool MosquittoLink::publish(std::uint64_t id, const std::string &topic, std::string_view payload,
                            bool retained) {
    if (state_ != State::up) return false;
    if (corked_ == Cork::asked) set_cork(true);
    int packet = 0;
    const int code = mosquitto_publish(client_->handle, &packet, topic.c_str(),
                                       static_cast<int>(payload.size()), payload.data(), 1, retained);
    // What a broker that has closed the link said before: acknowledgements, and last its reason.
    for (int i = 0; i < 2 && code != MOSQ_ERR_SUCCESS && state_ == State::up; ++i) {
        look_ahead();
        read();
    }
    check(code);
    if (code == MOSQ_ERR_SUCCESS && !outstanding_.try_emplace(packet, id).second)
        give_up(
            "a message was not acknowledged while all later ones were");  // libmosquitto uses its number again
    watch();
    return code == MOSQ_ERR_SUCCESS && state_ == State::up;
}

// libmosquitto writes each message by itself. The kernel makes few packets of them, and wakes the peer for these alone.
void MosquittoLink::set_cork(bool in) {
    corked_ = in ? Cork::in : Cork::out;
    const int value = in ? 1 : 0;
    if (connected())
        ::setsockopt(mosquitto_socket(client_->handle), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void MosquittoLink::uncork() {
    if (std::exchange(corked_, Cork::out) == Cork::in) set_cork(false);
}

void MosquittoLink::subscribe(const std::string &topic) {
    if (state_ == State::up) check(mosquitto_subscribe(client_->handle, nullptr, topic.c_str(), 1));
}

void MosquittoLink::unsubscribe(const std::string &topic) {
    if (state_ == State::up) check(mosquitto_unsubscribe(client_->handle, nullptr, topic.c_str()));
}

}  // namespace ble
