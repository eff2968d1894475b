// MQTT reason codes (MQTT 5, section 2.4) for people.
#pragma once

#include <string>

namespace ble {

namespace mqtt {
constexpr int success = 0x00;
constexpr int no_subscribers = 0x10;
constexpr int first_failure = 0x80;
constexpr int protocol_error = 0x82;
constexpr int unsupported_version = 0x84;
constexpr int bad_client_id = 0x85;
constexpr int bad_user_or_password = 0x86;
constexpr int not_authorised = 0x87;
constexpr int server_unavailable = 0x88;
constexpr int banned = 0x8a;
constexpr int bad_authentication = 0x8c;
constexpr int session_taken_over = 0x8e;
constexpr int packet_too_large = 0x95;
}  // namespace mqtt

// "not authorised", "the client id is in use elsewhere", …; "reason 0x93" for what nobody needs to know by name.
std::string mqtt_reason_text(int reason);

// The return code of an MQTT 3.1.1 CONNACK (section 3.2.2.3) as the MQTT 5 reason of the same meaning.
int mqtt_reason_of_return_code(int code);

// Will asking again with the same words never help? Rights, credentials, client id.
bool mqtt_reason_is_configuration(int reason);

}  // namespace ble
