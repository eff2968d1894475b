#include "transport/mqtt_reason.hpp"

#include <cstdio>

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
        case 0x89:
            return "server busy";
        case mqtt::banned:
            return "banned";
        case 0x8b:
            return "server shutting down";
        case mqtt::bad_authentication:
            return "bad authentication method";
        case 0x8d:
            return "no sign of life within the keep-alive time";
        case mqtt::session_taken_over:
            return "another client has connected with the same client id";
        case 0x8f:
            return "topic filter not valid";
        case 0x90:
            return "topic name not valid";
        case mqtt::packet_too_large:
            return "message larger than the broker allows";
        case 0x96:
            return "message rate too high";
        case 0x97:
            return "quota exceeded";
        case 0x98:
            return "closed by the broker's administrator";
        case 0x9e:
            return "shared subscriptions not supported";
        case 0x9f:
            return "connection rate exceeded";
        case 0xa2:
            return "wildcard subscriptions not supported";
        default:
            break;
    }
    char text[16];
    std::snprintf(text, sizeof text, "reason 0x%02x", static_cast<unsigned>(reason) & 0xffu);
    return text;
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

bool mqtt_reason_is_configuration(int reason) {
    return reason == mqtt::bad_client_id || reason == mqtt::bad_user_or_password ||
           reason == mqtt::not_authorised || reason == mqtt::banned || reason == mqtt::bad_authentication;
}

}  // namespace ble
