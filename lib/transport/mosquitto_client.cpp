#include "transport/mosquitto_client.hpp"

#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "transport/meeting_point.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int most_outstanding = 65'535;             // MQTT 5, 3.3.4: a receive maximum's largest value
constexpr std::uint32_t never_expires = 0xffffffff;  // MQTT 5, 3.1.2.11.2
constexpr char no_tls[] = "TLS: what answers there speaks no TLS";
constexpr char system_authorities[] = "/etc/ssl/certs";

void require(int code, const char *what) {
    if (code != MOSQ_ERR_SUCCESS)
        throw Error(ExitCode::system, std::string("unable to ") + what + ": " + mosquitto_strerror(code));
}

const char *text_or_none(const std::string &value) {
    return value.empty() ? nullptr : value.c_str();
}

struct FreeProperties {
    void operator()(mosquitto_property *list) const { mosquitto_property_free_all(&list); }
};

}  // namespace

MosquittoClient::MosquittoClient(const MqttAttempt &attempt, MosquittoLink *owner)
    : link(owner),
      options_(attempt.options),
      server_(attempt.server),
      five_(attempt.five),
      persistent_(attempt.session.persistent),
      window_(attempt.session.window != nullptr ? attempt.session.window->receive_maximum() : 0) {
    static const int ready = mosquitto_lib_init();
    require(ready, "begin with libmosquitto");
    handle = mosquitto_new(attempt.session.client_id.c_str(), !persistent_, this);
    if (handle == nullptr) throw system_error("make an MQTT client");
    configure(attempt.session);
    if (uses_tls()) configure_tls();
}

MosquittoClient::~MosquittoClient() {
    if (handle != nullptr) mosquitto_destroy(handle);
}

void MosquittoClient::configure(const MqttSession &session) {
    require(mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION,
                                 five_ ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311),
            "choose the version of MQTT");
    require(mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, most_outstanding), "set the window");
    if (window_ > 0) {
        require(mosquitto_int_option(handle, MOSQ_OPT_RECEIVE_MAXIMUM, static_cast<int>(window_)),
                "set the window");
        // Otherwise a PUBACK leaves as soon as its message is read. So the library leaves all writing to mosquitto_loop_write().
        require(mosquitto_threaded_set(handle, true), "withhold acknowledgements");
    }
    if (uses_tls() && !options_.alpn.empty())
        require(mosquitto_string_option(handle, MOSQ_OPT_TLS_ALPN, options_.alpn.c_str()),
                "choose the protocol by ALPN");
    if (!options_.username.empty())
        require(mosquitto_username_pw_set(handle, options_.username.c_str(),
                                          options_.password ? options_.password->c_str() : nullptr),
                "set the user name");
    constexpr std::string_view will = "offline";
    if (!session.status_topic.empty())
        require(mosquitto_will_set(handle, session.status_topic.c_str(), static_cast<int>(will.size()),
                                   will.data(), 1, true),
                "set the last will");
}

// The certificate and the host name are verified by default.
void MosquittoClient::configure_tls() {
    const bool of_system = options_.cafile.empty() && options_.capath.empty();
    const char *folder = of_system ? system_authorities : text_or_none(options_.capath);
    if (of_system)
        require(mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1), "use the system's authorities");
    const std::string &key = options_.key.empty() ? options_.cert : options_.key;
    const int result = mosquitto_tls_set(handle, text_or_none(options_.cafile), folder,
                                         text_or_none(options_.cert), text_or_none(key), nullptr);
    if (result != MOSQ_ERR_SUCCESS)
        throw Error(ExitCode::config,
                    std::string("unable to use the certificates: ") + mosquitto_strerror(result));
    if (!options_.insecure) return;
    require(mosquitto_tls_opts_set(handle, 0, nullptr, nullptr), "accept any certificate");
    require(mosquitto_tls_insecure_set(handle, true), "accept any host name");
}

void MosquittoClient::dial(const AddressMemory &memory) {
    const auto &[host, port] = server_.next_hop();
    found = find_address(host, static_cast<std::uint16_t>(port), memory, address_limit);
    if (server_.proxy && found.address.empty())
        found.trouble = "the proxy " + server_.proxy->host + ": " + found.trouble;
    if (!found.address.empty() && !server_.websocket) {
        const SteeredLookup steered(host, found.address);
        errno = 0;
        code = connect(host, static_cast<int>(port));
        error = errno;
    }
    dialled = true;
}

UniqueFd MosquittoClient::connect_within() {
    const MeetingPoint point;
    code = connect(point.path(), 0);  // so libmosquitto knows that it is a socket of this machine
    error = errno;
    return code == MOSQ_ERR_SUCCESS ? point.accept() : UniqueFd();
}

int MosquittoClient::connect(const std::string &name, int port) const {
    const auto keepalive = static_cast<int>(std::chrono::ceil<seconds>(options_.keepalive).count());
    const char *host = name.c_str();
    if (!five_ || window_ == 0) return mosquitto_connect(handle, host, port, keepalive);
    mosquitto_property *list = nullptr;
    int result =
        mosquitto_property_add_int16(&list, MQTT_PROP_RECEIVE_MAXIMUM, static_cast<std::uint16_t>(window_));
    if (result == MOSQ_ERR_SUCCESS && persistent_)
        result = mosquitto_property_add_int32(&list, MQTT_PROP_SESSION_EXPIRY_INTERVAL, never_expires);
    const std::unique_ptr<mosquitto_property, FreeProperties> properties(list);
    if (result != MOSQ_ERR_SUCCESS) return result;
    return mosquitto_connect_bind_v5(handle, host, port, keepalive, nullptr, properties.get());
}

std::string MosquittoClient::trouble_text(int result, int errno_behind) const {
    switch (result) {
        case MOSQ_ERR_TLS:
        case MOSQ_ERR_TLS_HANDSHAKE: {
            // "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed"
            std::string text = trouble.substr(trouble.rfind(':') + 1);
            text.erase(0, text.find_first_not_of(' '));
            if (text.ends_with('.')) text.pop_back();
            return text.empty() ? no_tls : "TLS: " + text;
        }
        case MOSQ_ERR_KEEPALIVE:
            return "no sign of life within the keep-alive time";
        case MOSQ_ERR_ERRNO:
            if (uses_tls() && errno_behind == EPROTO)
                return no_tls;  // so says libmosquitto of some of OpenSSL's errors
            return errno_behind != 0 ? std::strerror(errno_behind) : "no connection";
        case MOSQ_ERR_PROTOCOL:
        case MOSQ_ERR_MALFORMED_PACKET:
            return "what it sends is no valid MQTT";
        default:
            return mosquitto_strerror(result);
    }
}

void MosquittoClient::part(bool polite, milliseconds limit) {
    // The library closes its own descriptor when the DISCONNECT is written.
    const UniqueFd fd(::fcntl(mosquitto_socket(handle), F_DUPFD_CLOEXEC, 0));
    if (polite) {
        mosquitto_disconnect(handle);
        if (mosquitto_want_write(handle)) mosquitto_loop_write(handle, 1);
    }
    if (!fd || ::shutdown(fd.get(), SHUT_WR) != 0) return;
    const auto end = std::chrono::steady_clock::now() + limit;
    std::array<char, 4096> unread;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
        pollfd ask{fd.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&ask, 1, static_cast<int>(left.count())) <= 0) return;
        if (::recv(fd.get(), unread.data(), unread.size(), MSG_DONTWAIT) <= 0) return;
    }
}

}  // namespace ble
