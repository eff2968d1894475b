#include "transport/mqtt_reason.hpp"

#include <cstdio>

#include "base/log.hpp"

namespace ble {

std::string mqtt_reason_text(int reason) {
    switch (reason) {
        case mqtt::success:
            return "success";
        case mqtt::no_subscribers:
            return "nobody is subscribed";
        case 0x80:
            return "refused without a reason";
        case mqtt::protocol_error:
            return "protocol error";
        case mqtt::unsupported_version:
            return "protocol version not supported";
        case mqtt::bad_client_id:
            return "client id not accepted";
        case mqtt::bad_user_or_password:
            return "bad user name or password";
        case mqtt::not_authorised:
            return "not authorised";
        case mqtt::server_unavailable:
            return "server unavailable";
        case mqtt::server_busy:
            return "server busy";
        case mqtt::banned:
            return "banned";
        case mqtt::server_shutting_down:
            return "server shutting down";
        case mqtt::bad_authentication:
            return "bad authentication method";
        case mqtt::keep_alive_timeout:
            return "no sign of life within the keep-alive time";
        case mqtt::session_taken_over:
            return "another client has connected with the same client id";
        case 0x8f:
            return "topic filter not valid";
        case 0x90:
            return "topic name not valid";
        case mqtt::packet_too_large:
            return "message larger than the broker allows";
        case mqtt::rate_too_high:
            return "message rate too high";
        case mqtt::quota_exceeded:
            return "quota exceeded";
        case mqtt::administrative_action:
            return "closed by the broker's administrator";
        case mqtt::payload_format_invalid:
            return "payload of a form that the broker does not take";
        case mqtt::qos_not_supported:
            return "QoS 1 not supported";
        case mqtt::use_another_server:
            return "use another server";
        case mqtt::server_moved:
            return "server moved";
        case 0x9e:
            return "shared subscriptions not supported";
        case mqtt::connection_rate_exceeded:
            return "connection rate exceeded";
        case mqtt::maximum_connect_time:
            return "connected for longer than the broker allows";
        case 0xa2:
            return "wildcard subscriptions not supported";
        default:
            break;
    }
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
