#include "transport/paho_link.hpp"

#include <MQTTAsync.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using std::chrono::seconds;

constexpr unsigned never_expires = 0xffffffff;
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

// With the broker's own words, perhaps whom it means, which libmosquitto keeps to itself; and where to, when it has moved;
// of a DISCONNECT: paho does not show the properties of a CONNACK that refuses.
std::string reason_text(int reason, MQTTProperties *properties) {
    std::string text = mqtt_reason_text(reason);
    const std::string words = text_of(properties, MQTTPROPERTY_CODE_REASON_STRING);
    if (!words.empty()) text += ": " + printable(words);
    if (reason != mqtt::use_another_server && reason != mqtt::server_moved) return text;
    return text + mqtt_reason_advice(reason, text_of(properties, MQTTPROPERTY_CODE_SERVER_REFERENCE));
}

}  // namespace

// What paho calls, in its threads.
struct PahoLink::Callbacks {
    using Kind = MqttEvent::Kind;
    static PahoLink &link(void *context) { return *static_cast<PahoLink *>(context); }

    static void connected(void *context, MQTTAsync_successData *) noexcept {
        begin(link(context), {Kind::connected});
    }
    static void connected5(void *context, MQTTAsync_successData5 *) noexcept {
        begin(link(context), {Kind::connected});
    }
    static void begin(PahoLink &link, MqttEvent event) {
        event.text = link.five_ ? "MQTT 5" : "MQTT 3.1.1";
        link.push(std::move(event));
        // Here and not in our thread: the first message may already hold paho's lock when that gets to it.
        link.begin_subscription();
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
    static void fail(PahoLink &link, int code, const char *message) {
        const int reason = code >= mqtt::first_failure ? code
                           : code > 0                  ? mqtt_reason_of_return_code(code)
                                                       : 0;
        const std::string text =
            reason != 0 ? reason_text(reason, nullptr) : link.failure_text(code, message);
        link.hung_up_ = message != nullptr && message == hang_up_text;
        const bool old_version_next = link.hung_up_ && link.five_ && link.options_.version == "auto";
        if (link.options_.tls && reason == 0 && !old_version_next)
            return fail_after_look(link.queue_, link.epoch_, link.options_, link.address_, text);
        link.push({Kind::failed, 0, reason, text});
    }

    static void lost(void *context, char *cause) noexcept {
        link(context).push({Kind::lost, 0, 0, cause != nullptr ? cause : "connection lost"});
    }
    static void disconnected(void *context, MQTTProperties *properties, MQTTReasonCodes reason) noexcept {
        link(context).push({Kind::lost, 0, reason, reason_text(reason, properties)});
    }
    static int arrived(void *context, char *topic, int length, MQTTAsync_message *message) noexcept {
        const std::string_view payload(static_cast<const char *>(message->payload),
                                       static_cast<std::size_t>(message->payloadlen));
        // The length is 0 for a topic without a NUL in it.
        const std::string_view name =
            length > 0 ? std::string_view(topic, static_cast<std::size_t>(length)) : std::string_view(topic);
        link(context).on_message_(name, payload);
        MQTTAsync_freeMessage(&message);
        MQTTAsync_free(topic);
        return 1;  // 0 would acknowledge just the same, and keep the message inside the library
    }

    static void subscribed(void *context, MQTTAsync_successData *data) noexcept {
        grant(link(context), data != nullptr ? data->alt.qos : 0);
    }
    static void subscribed5(void *context, MQTTAsync_successData5 *data) noexcept {
        grant(link(context), data != nullptr ? data->reasonCode : 0);
    }
    static void grant(PahoLink &link, int reason) {
        if (reason >= mqtt::first_failure) return deny(link, reason);
        link.push({Kind::subscribed, 0, reason, ""});
    }
    static void unsubscribed(void *context, MQTTAsync_failureData *data) noexcept {
        deny(link(context), data != nullptr && data->code > 0 ? mqtt::first_failure : 0);
    }
    static void unsubscribed5(void *context, MQTTAsync_failureData5 *data) noexcept {
        deny(link(context), data != nullptr ? data->reasonCode : 0);
    }
    static void deny(PahoLink &link, int reason) {
        if (reason < mqtt::first_failure) return;  // the link was lost before the answer came
        link.push({Kind::denied, 0, reason, mqtt_reason_text(reason)});
    }
    // "…:error:0A000086:SSL routines:FUNCTION:certificate verify failed:FILE:LINE:": the reason is the sixth part.
    static int tls_error(const char *text, std::size_t size, void *context) noexcept {
        std::string_view rest(text, size);
        for (int part = 0; part < 5 && rest.find(':') != std::string_view::npos; ++part)
            rest.remove_prefix(rest.find(':') + 1);
        const std::lock_guard guard(link(context).tls_lock_);
        link(context).tls_error_ = printable(rest.substr(0, rest.find_first_of(":\n")));
        return 1;
    }
};

PahoLink::PahoLink(std::shared_ptr<MqttEventQueue> queue, unsigned epoch, bool five,
                   const MqttOptions &options, const SubscriberSession &session, OnMessage on_message)
    : queue_(std::move(queue)),
      epoch_(epoch),
      five_(five),
      options_(options),
      session_(session),
      on_message_(std::move(on_message)) {
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.MQTTVersion = five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    // An IPv6 address goes without brackets: with them paho does not find it in the broker's certificate.
    const std::string uri =
        (options.tls ? "ssl://" : "tcp://") + options.host + ":" + std::to_string(options.port);
    const int code = MQTTAsync_createWithOptions(&client_, uri.c_str(), session.client_id.c_str(),
                                                 MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
    if (code != MQTTASYNC_SUCCESS)
        throw Error(ExitCode::system, "unable to make an MQTT client: " + library_text(code, nullptr));
    MQTTAsync_setCallbacks(client_, this, Callbacks::lost, Callbacks::arrived, nullptr);
    if (five) MQTTAsync_setDisconnected(client_, this, Callbacks::disconnected);
}

PahoLink::~PahoLink() {
    MQTTAsync_destroy(&client_);
}

// Shared with the thread that looks for the address, which may outlive the link.
struct PahoLink::Dial {
    FoundAddress found;
    std::atomic<bool> done{false};
};

void PahoLink::connect(const AddressMemory &memory) {
    deadline_ = std::chrono::steady_clock::now() + connect_limit;
    dial_ = std::make_shared<Dial>();
    std::thread([dial = dial_, queue = queue_, host = options_.host, memory,
                 port = static_cast<std::uint16_t>(options_.port)] {
        dial->found = find_address(host, port, memory, address_limit);
        dial->done = true;
        queue->wake();
    }).detach();
}

void PahoLink::step() {
    if (!dial_ || !dial_->done) return;
    const auto dial = std::move(dial_);
    address_ = dial->found.address;
    if (address_.empty()) return push({MqttEvent::Kind::failed, 0, 0, dial->found.trouble});
    steered_.emplace(options_.host, address_);
    connect_to_address();
}

void PahoLink::connect_to_address() {
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
    if (five_) connect = MQTTAsync_connectOptions_initializer5;
    connect.context = this;
    connect.MQTTVersion = five_ ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    connect.keepAliveInterval = static_cast<int>(std::chrono::ceil<seconds>(options_.keepalive).count());
    const auto left = std::chrono::ceil<seconds>(deadline_ - std::chrono::steady_clock::now());
    connect.connectTimeout = static_cast<int>(std::max(seconds(1), left).count());
    if (!options_.username.empty()) connect.username = options_.username.c_str();
    if (options_.password) {
        connect.binarypwd.data = options_.password->data();
        connect.binarypwd.len = static_cast<int>(options_.password->size());
    }
    MQTTProperties properties = MQTTProperties_initializer;
    if (five_) {
        connect.cleanstart = session_.persistent ? 0 : 1;
        connect.onSuccess5 = Callbacks::connected5;
        connect.onFailure5 = Callbacks::failed5;
        MQTTProperty expiry{};
        expiry.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
        expiry.value.integer4 = never_expires;
        if (session_.persistent) MQTTProperties_add(&properties, &expiry);
        connect.connectProperties = &properties;
    } else {
        connect.cleansession = session_.persistent ? 0 : 1;
        connect.onSuccess = Callbacks::connected;
        connect.onFailure = Callbacks::failed;
    }
    const auto text = [](const std::string &value) { return value.empty() ? nullptr : value.c_str(); };
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.trustStore = text(options_.cafile);
    tls.CApath = text(options_.capath);
    tls.keyStore = text(options_.cert);
    tls.privateKey = text(options_.key);
    tls.enableServerCertAuth = options_.insecure ? 0 : 1;
    tls.verify = options_.insecure ? 0 : 1;  // the host name; off by default in paho
    tls.ssl_error_cb = Callbacks::tls_error;
    tls.ssl_error_context = this;
    if (options_.tls) connect.ssl = &tls;

    const int code = MQTTAsync_connect(client_, &connect);
    MQTTProperties_free(&properties);
    if (code != MQTTASYNC_SUCCESS) push({MqttEvent::Kind::failed, 0, 0, library_text(code, nullptr)});
}

void PahoLink::begin_subscription() {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = this;
    if (five_) {
        response.onSuccess5 = Callbacks::subscribed5;
        response.onFailure5 = Callbacks::unsubscribed5;
    } else {
        response.onSuccess = Callbacks::subscribed;
        response.onFailure = Callbacks::unsubscribed;
    }
    const int code = MQTTAsync_subscribe(client_, session_.subscribe.c_str(), 1, &response);
    if (code != MQTTASYNC_SUCCESS)
        push({MqttEvent::Kind::lost, 0, 0, "unable to subscribe: " + library_text(code, nullptr)});
}

std::string PahoLink::failure_text(int code, const char *message) {
    const std::lock_guard guard(tls_lock_);
    if (!tls_error_.empty()) return "TLS: " + tls_error_;
    std::string text = library_text(code, message);
    if (text == hang_up_text) return "it hangs up instead of answering (does it want TLS?)";
    if (text != no_connection && text != name_unknown) return text;
    return options_.tls ? "no connection (is anybody there, does it speak TLS?)"
                        : "no connection (is anybody there, does it want TLS?)";
}

}  // namespace ble
