#include "transport/paho_client.hpp"

#include <MQTTAsync.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int most_outstanding = 1000;  // paho queues beyond it; we never have as many on the way
// Texts of paho: there are no codes for them.
constexpr std::string_view hang_up_text = "TCP connect completion failure",
                           no_connection = "TCP/TLS connect failure", name_unknown = "Failure";

std::string library_text(int code, const char *message) {
    if (message != nullptr) return message;
    const char *text = MQTTAsync_strerror(code);
    return text != nullptr ? text : "code " + std::to_string(code);
}

std::string text_of(MQTTProperties *properties, MQTTPropertyCodes code) {
    const MQTTProperty *found =
        properties != nullptr ? MQTTProperties_getProperty(properties, code) : nullptr;
    if (found == nullptr) return {};
    return {found->value.data.data, static_cast<std::size_t>(found->value.data.len)};
}

std::optional<std::int64_t> number_of(MQTTProperties *properties, MQTTPropertyCodes code) {
    if (properties == nullptr || MQTTProperties_hasProperty(properties, code) == 0) return {};
    return MQTTProperties_getNumericValue(properties, code);
}

}  // namespace

// What paho calls, in its threads.
struct PahoClient::Callbacks {
    using Kind = MqttEvent::Kind;
    static PahoClient &client(void *context) { return *static_cast<PahoClient *>(context); }

    static void connected(void *context, MQTTAsync_successData *) noexcept {
        begin(client(context), nullptr);
    }
    static void connected5(void *context, MQTTAsync_successData5 *data) noexcept {
        begin(client(context), data != nullptr ? &data->properties : nullptr);
    }
    static void begin(PahoClient &client, MQTTProperties *properties) {
        MqttEvent event{Kind::connected};
        event.text = client.five_ ? "MQTT 5, WebSocket" : "MQTT 3.1.1, WebSocket";
        if (number_of(properties, MQTTPROPERTY_CODE_MAXIMUM_QOS).value_or(1) < 1)
            return client.fail_to_connect(mqtt_reason_in_full(mqtt::qos_not_supported),
                                          mqtt::qos_not_supported);
        if (const auto most = number_of(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM))
            event.receive_maximum = static_cast<std::size_t>(*most);
        if (const auto most = number_of(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE))
            event.packet_maximum = static_cast<std::size_t>(*most);
        if (!client.answered_.exchange(true)) client.push(std::move(event));
    }
    static void failed(void *context, MQTTAsync_failureData *data) noexcept {
        fail(client(context), data != nullptr ? data->code : MQTTASYNC_FAILURE,
             data != nullptr ? data->message : nullptr);
    }
    static void failed5(void *context, MQTTAsync_failureData5 *data) noexcept {
        if (data == nullptr) return fail(client(context), MQTTASYNC_FAILURE, nullptr);
        fail(client(context), data->reasonCode != 0 ? data->reasonCode : data->code, data->message);
    }
    // `code`: negative for paho's own, a CONNACK's return code, which MQTT 5 brokers of old send as well, or its reason.
    static void fail(PahoClient &client, int code, const char *message) {
        const int reason = code >= mqtt::first_failure ? code
                           : code > 0                  ? mqtt_reason_of_return_code(code)
                                                       : 0;
        const std::string text =
            reason != 0 ? mqtt_reason_in_full(reason) : client.failure_text(code, message);
        client.hung_up_ = message != nullptr && message == hang_up_text;
        const bool old_version_next = client.hung_up_ && client.five_ && client.options_.version == "auto";
        if (client.options_.tls && !client.server_.proxy && reason == 0 && !old_version_next &&
            !client.answered_.exchange(true))
            return fail_after_look(
                client.queue_,
                {client.options_, client.server_, client.session_, client.five_, client.epoch_},
                client.address(), text);
        client.fail_to_connect(text, reason);
    }

    static void lost(void *context, char *cause) noexcept {
        client(context).lose(cause != nullptr ? cause : "connection lost");
    }
    static void disconnected(void *context, MQTTProperties *properties, MQTTReasonCodes reason) noexcept {
        const auto server = text_of(properties, MQTTPROPERTY_CODE_SERVER_REFERENCE);
        const auto words = text_of(properties, MQTTPROPERTY_CODE_REASON_STRING);
        client(context).push({Kind::lost, 0, reason, mqtt_reason_in_full(reason, words, server), {}, server});
    }
    static int arrived(void *context, char *topic, int length, MQTTAsync_message *message) noexcept {
        MqttEvent event{Kind::message};
        event.text.assign(static_cast<const char *>(message->payload),
                          static_cast<std::size_t>(message->payloadlen));
        // The length is 0 for a topic without a NUL in it.
        event.topic = length > 0 ? std::string(topic, static_cast<std::size_t>(length)) : std::string(topic);
        MQTTAsync_freeMessage(&message);
        MQTTAsync_free(topic);
        client(context).push(std::move(event));
        return 1;  // 0 would acknowledge just the same, and keep the message inside the library
    }

    static void published(void *context, MQTTAsync_successData *) noexcept { acknowledge(context, 0); }
    static void published5(void *context, MQTTAsync_successData5 *data) noexcept {
        acknowledge(context, data != nullptr ? data->reasonCode : 0);
    }
    static void unpublished(void *context, MQTTAsync_failureData *) noexcept { acknowledge(context, {}); }
    static void unpublished5(void *context, MQTTAsync_failureData5 *data) noexcept {
        const int reason = data != nullptr ? data->reasonCode : 0;
        acknowledge(context, reason >= mqtt::first_failure ? std::optional(reason) : std::nullopt);
    }
    // Without a reason the link was lost before the answer came, which is told by itself.
    static void acknowledge(void *context, std::optional<int> reason) {
        const Sent sent = *static_cast<Sent *>(context);
        {
            const std::lock_guard guard(sent.client->lock_);
            sent.client->sent_.remove_if([&](const Sent &one) { return &one == context; });
            sent.client->last_answer_ = std::chrono::steady_clock::now();
        }
        if (reason) sent.client->push({Kind::acknowledged, sent.id, *reason, ""});
    }

    static void subscribed(void *context, MQTTAsync_successData *data) noexcept {
        grant(client(context), data != nullptr ? data->alt.qos : 0);
    }
    static void subscribed5(void *context, MQTTAsync_successData5 *data) noexcept {
        grant(client(context), data != nullptr ? data->reasonCode : 0);
    }
    static void grant(PahoClient &client, int reason) {
        if (reason >= mqtt::first_failure) return deny(client, reason);
        client.push({Kind::subscribed, 0, reason, ""});
    }
    static void unsubscribed(void *context, MQTTAsync_failureData *data) noexcept {
        deny(client(context), data != nullptr && data->code > 0 ? mqtt::first_failure : 0);
    }
    static void unsubscribed5(void *context, MQTTAsync_failureData5 *data) noexcept {
        deny(client(context), data != nullptr ? data->reasonCode : 0);
    }
    static void deny(PahoClient &client, int reason) {
        if (reason < mqtt::first_failure) return;  // the link was lost before the answer came
        client.push({Kind::denied, 0, reason, mqtt_reason_text(reason)});
    }
    // "…:error:0A000086:SSL routines:FUNCTION:certificate verify failed:FILE:LINE:": the reason is the sixth part.
    static int tls_error(const char *text, std::size_t size, void *context) noexcept {
        std::string_view rest(text, size);
        for (int part = 0; part < 5 && rest.find(':') != std::string_view::npos; ++part)
            rest.remove_prefix(rest.find(':') + 1);
        const std::lock_guard guard(client(context).lock_);
        client(context).tls_error_ = printable(rest.substr(0, rest.find_first_of(":\n")));
        return 1;
    }
};

// What the library is told; borrowed from the client.
struct PahoClient::Settings {
    static MQTTAsync_connectOptions of_connection(PahoClient &client) {
        MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer_ws;
        if (client.five_) connect = MQTTAsync_connectOptions_initializer5_ws;
        connect.context = &client;
        connect.MQTTVersion = client.five_ ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
        connect.maxInflight = most_outstanding;
        connect.keepAliveInterval =
            static_cast<int>(std::chrono::ceil<seconds>(client.options_.keepalive).count());
        const auto left = std::chrono::ceil<seconds>(client.deadline_ - std::chrono::steady_clock::now());
        connect.connectTimeout = static_cast<int>(std::max(seconds(1), left).count());
        if (!client.options_.username.empty()) connect.username = client.options_.username.c_str();
        if (client.options_.password) {
            connect.binarypwd.data = client.options_.password->data();
            connect.binarypwd.len = static_cast<int>(client.options_.password->size());
        }
        if (client.five_) {
            connect.cleanstart = 1;
            connect.onSuccess5 = Callbacks::connected5;
            connect.onFailure5 = Callbacks::failed5;
        } else {
            connect.cleansession = 1;
            connect.onSuccess = Callbacks::connected;
            connect.onFailure = Callbacks::failed;
        }
        return connect;
    }

    static MQTTAsync_SSLOptions of_tls(PahoClient &client) {
        const auto text = [](const std::string &value) { return value.empty() ? nullptr : value.c_str(); };
        MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
        tls.trustStore = text(client.options_.cafile);
        tls.CApath = text(client.options_.capath);
        tls.keyStore = text(client.options_.cert);
        tls.privateKey = text(client.options_.key);
        tls.enableServerCertAuth = client.options_.insecure ? 0 : 1;
        tls.verify = client.options_.insecure ? 0 : 1;  // the host name; off by default in paho
        tls.ssl_error_cb = Callbacks::tls_error;
        tls.ssl_error_context = &client;
        return tls;
    }
};

PahoClient::PahoClient(std::shared_ptr<MqttEventQueue> queue, const MqttAttempt &attempt)
    : queue_(std::move(queue)),
      epoch_(attempt.epoch),
      five_(attempt.five),
      options_(attempt.options),
      server_(attempt.server),
      session_(attempt.session) {}

void PahoClient::begin() {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
}

void PahoClient::later(Work work) {
    const std::lock_guard guard(lock_);
    work_.push_back(std::move(work));
    changed_.notify_all();
}

void PahoClient::end() {
    const std::lock_guard guard(lock_);
    ending_ = true;
    changed_.notify_all();
}

void PahoClient::wait_for_end(milliseconds limit) {
    std::unique_lock guard(lock_);
    changed_.wait_for(guard, limit, [this] { return ended_; });
}

void PahoClient::work() {
    for (;;) {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [this] { return ending_ || !work_.empty(); });
        if (ending_) break;
        const Work next = std::move(work_.front());
        work_.pop_front();
        guard.unlock();
        next(*this);
    }
    if (handle_ != nullptr) MQTTAsync_destroy(&handle_);  // disconnects
    const std::lock_guard guard(lock_);
    ended_ = true;
    changed_.notify_all();
}

void PahoClient::fail_to_connect(const std::string &why, int reason) {
    if (!answered_.exchange(true)) push({MqttEvent::Kind::failed, 0, reason, why});
}

std::optional<std::chrono::steady_clock::time_point> PahoClient::waits_since() const {
    const std::lock_guard guard(lock_);
    if (sent_.empty()) return {};
    return last_answer_;
}

void PahoClient::lose(const std::string &why) {
    push({MqttEvent::Kind::lost, 0, 0, why});
}

std::string PahoClient::address() const {
    const std::lock_guard guard(lock_);
    return address_;
}

void PahoClient::make() {
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.MQTTVersion = five_ ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    const std::string uri = (options_.tls ? "wss://" : "ws://") + server_.address() + server_.path;
    const int code = MQTTAsync_createWithOptions(&handle_, uri.c_str(), session_.client_id.c_str(),
                                                 MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
    if (code != MQTTASYNC_SUCCESS) throw Error(ExitCode::system, library_text(code, nullptr));
    MQTTAsync_setCallbacks(handle_, this, Callbacks::lost, Callbacks::arrived, nullptr);
    if (five_) MQTTAsync_setDisconnected(handle_, this, Callbacks::disconnected);
}

void PahoClient::connect(const AddressMemory &memory) {
    deadline_ = std::chrono::steady_clock::now() + connect_limit;
    const auto &[host, port] = server_.next_hop();
    const FoundAddress found = find_address(host, static_cast<std::uint16_t>(port), memory, address_limit);
    {
        const std::lock_guard guard(lock_);
        address_ = found.address;
    }
    if (found.address.empty())
        return fail_to_connect((server_.proxy ? "the proxy " + server_.proxy->host + ": " : "") +
                               found.trouble);
    steered_.emplace(host, found.address);
    try {
        make();
        connect_to_address();
    } catch (const Error &error) {
        fail_to_connect(error.what());
    }
}

void PahoClient::connect_to_address() {
    MQTTAsync_connectOptions connect = Settings::of_connection(*this);
    // What paho takes off by itself, whatever the proxy speaks; 1.3.14 does not do without it.
    const std::string scheme = options_.tls ? "https://" : "http://";
    const std::string proxy = server_.proxy ? scheme + server_.proxy->authority() : "";
    if (server_.proxy) (options_.tls ? connect.httpsProxy : connect.httpProxy) = proxy.c_str();
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    will.topicName = session_.status_topic.c_str();
    will.message = "offline";
    will.retained = 1;
    will.qos = 1;
    if (!session_.status_topic.empty()) connect.will = &will;
    MQTTAsync_SSLOptions tls = Settings::of_tls(*this);
    const std::string protocols = static_cast<char>(options_.alpn.size()) + options_.alpn;  // RFC 7301, 3.1
    if (!options_.alpn.empty()) {
        tls.protos = reinterpret_cast<const unsigned char *>(protocols.data());
        tls.protos_len = static_cast<unsigned>(protocols.size());
    }
    if (options_.tls) connect.ssl = &tls;
    const int code = MQTTAsync_connect(handle_, &connect);
    if (code != MQTTASYNC_SUCCESS) fail_to_connect(library_text(code, nullptr));
}

void PahoClient::refuse(int code, const char *what) {
    if (code == MQTTASYNC_SUCCESS) return;
    lose(std::string("unable to ") + what + ": " + library_text(code, nullptr));
}

void PahoClient::publish(std::uint64_t id, const std::string &topic, const std::string &payload,
                         bool retained) {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    {
        const std::lock_guard guard(lock_);
        if (sent_.empty()) last_answer_ = std::chrono::steady_clock::now();
        response.context = &sent_.emplace_back(Sent{this, id});
    }
    if (five_) {
        response.onSuccess5 = Callbacks::published5;
        response.onFailure5 = Callbacks::unpublished5;
    } else {
        response.onSuccess = Callbacks::published;
        response.onFailure = Callbacks::unpublished;
    }
    refuse(MQTTAsync_send(handle_, topic.c_str(), static_cast<int>(payload.size()), payload.data(), 1,
                          retained ? 1 : 0, &response),
           "publish");
}

void PahoClient::subscribe(const std::string &topic) {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = this;
    if (five_) {
        response.onSuccess5 = Callbacks::subscribed5;
        response.onFailure5 = Callbacks::unsubscribed5;
    } else {
        response.onSuccess = Callbacks::subscribed;
        response.onFailure = Callbacks::unsubscribed;
    }
    refuse(MQTTAsync_subscribe(handle_, topic.c_str(), 1, &response), "subscribe");
}

void PahoClient::unsubscribe(const std::string &topic) {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    refuse(MQTTAsync_unsubscribe(handle_, topic.c_str(), &response), "unsubscribe");
}

std::string PahoClient::failure_text(int code, const char *message) {
    const std::lock_guard guard(lock_);
    if (!tls_error_.empty()) return "TLS: " + tls_error_;
    std::string text = library_text(code, message);
    const std::string there = server_.proxy ? " by the proxy" : "";
    if (text == hang_up_text)
        return "it hangs up instead of answering (does it want TLS, is the path right?)";
    if (text != no_connection && text != name_unknown) return text;
    return "no connection" + there +
           (options_.tls ? " (is anybody there, does it speak WebSocket over TLS?)"
                         : " (is anybody there, does it speak WebSocket, does it want TLS?)");
}

}  // namespace ble
