#include "transport/mqtt_reason.hpp"

#include <cstdio>

#include "base/log.hpp"

namespace ble {

namespace {

struct ReasonText {
    int reason;
    const char *text;
};
constexpr ReasonText texts[] = {
    {mqtt::success, "success"},
    {mqtt::no_subscribers, "nobody is subscribed"},
    {mqtt::first_failure, "refused without a reason"},
    {mqtt::protocol_error, "protocol error"},
    {mqtt::unsupported_version, "protocol version not supported"},
    {mqtt::bad_client_id, "client id not accepted"},
    {mqtt::bad_user_or_password, "bad user name or password"},
    {mqtt::not_authorised, "not authorised"},
    {mqtt::server_unavailable, "server unavailable"},
    {mqtt::server_busy, "server busy"},
    {mqtt::banned, "banned"},
    {mqtt::server_shutting_down, "server shutting down"},
    {mqtt::bad_authentication, "bad authentication method"},
    {mqtt::keep_alive_timeout, "no sign of life within the keep-alive time"},
    {mqtt::session_taken_over, "another client has connected with the same client id"},
    {0x8f, "topic filter not valid"},
    {0x90, "topic name not valid"},
    {mqtt::packet_too_large, "message larger than the broker allows"},
    {mqtt::rate_too_high, "message rate too high"},
    {mqtt::quota_exceeded, "quota exceeded"},
    {mqtt::administrative_action, "closed by the broker's administrator"},
    {mqtt::payload_format_invalid, "payload of a form that the broker does not take"},
    {mqtt::qos_not_supported, "QoS 1 not supported"},
    {mqtt::use_another_server, "use another server"},
    {mqtt::server_moved, "server moved"},
    {mqtt::sharing_not_supported, "shared subscriptions not supported"},
    {mqtt::connection_rate_exceeded, "connection rate exceeded"},
    {mqtt::maximum_connect_time, "connected for longer than the broker allows"},
    {0xa2, "wildcard subscriptions not supported"},
};

}  // namespace

std::string mqtt_reason_text(int reason) {
    for (const auto &row : texts)
        if (row.reason == reason) return row.text;
    char text[16];
    std::snprintf(text, sizeof text, "reason 0x%02x", static_cast<unsigned>(reason) & 0xffu);
    return text;
}

std::string mqtt_reason_advice(int reason, const std::string &server) {
    switch (reason) {
        case mqtt::rate_too_high:
        case mqtt::quota_exceeded:
        case mqtt::connection_rate_exceeded:
            return "; raise this account's limit at the broker, or send fewer messages (--coalesce, longer "
                   "windows)";
        case mqtt::qos_not_supported:
            return "; QoS 0 acknowledges nothing: allow QoS 1 at the broker, or name another one";
        case mqtt::use_another_server:
        case mqtt::server_moved:
            return server.empty() ? "; ask whoever runs it for the new name, and set --broker to it"
                                  : ": " + printable(server);
        case mqtt::sharing_not_supported:
            return "; leave out --share, and divide the load by topics (--shards)";
        default:
            return "";
    }
}

std::string mqtt_reason_in_full(int reason, const std::string &words, const std::string &server) {
    return mqtt_reason_text(reason) + (words.empty() ? "" : ": " + printable(words)) +
           mqtt_reason_advice(reason, server);
}

int mqtt_reason_of_return_code(int code) {
    switch (code) {
        case 0:
            return mqtt::success;
        case 1:
            return mqtt::unsupported_version;
        case 2:
            return mqtt::bad_client_id;
        case 3:
            return mqtt::server_unavailable;
        case 4:
            return mqtt::bad_user_or_password;
        case 5:
            return mqtt::not_authorised;
        default:
            return mqtt::first_failure;
    }
}

bool mqtt_reason_is_of_message(int reason) {
    return reason == mqtt::packet_too_large || reason == mqtt::payload_format_invalid;
}

bool mqtt_reason_is_of_link(int reason) {
    switch (reason) {
        case mqtt::server_unavailable:
        case mqtt::server_busy:
        case mqtt::server_shutting_down:
        case mqtt::keep_alive_timeout:
        case mqtt::session_taken_over:
        case mqtt::rate_too_high:
        case mqtt::administrative_action:
        case mqtt::use_another_server:
        case mqtt::server_moved:
        case mqtt::connection_rate_exceeded:
        case mqtt::maximum_connect_time:
            return true;
        default:
            return false;
    }
}

}  // namespace ble
