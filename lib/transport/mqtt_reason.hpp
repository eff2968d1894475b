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
constexpr int server_busy = 0x89;
constexpr int banned = 0x8a;
constexpr int server_shutting_down = 0x8b;
constexpr int bad_authentication = 0x8c;
constexpr int keep_alive_timeout = 0x8d;
constexpr int session_taken_over = 0x8e;
constexpr int packet_too_large = 0x95;
constexpr int rate_too_high = 0x96;
constexpr int quota_exceeded = 0x97;
constexpr int administrative_action = 0x98;
constexpr int payload_format_invalid = 0x99;
constexpr int qos_not_supported = 0x9b;
constexpr int use_another_server = 0x9c;
constexpr int server_moved = 0x9d;
constexpr int sharing_not_supported = 0x9e;
constexpr int connection_rate_exceeded = 0x9f;
constexpr int maximum_connect_time = 0xa0;
}  // namespace mqtt

// "not authorised", "the client id is in use elsewhere", …; "reason 0x93" for rare ones.
std::string mqtt_reason_text(int reason);

// What to do about it, where a person can: "; give this account …". Else empty. `server`: the Server Reference (3.2.2.3.16) that
// came with it, outside text; empty: none.
std::string mqtt_reason_advice(int reason, const std::string &server = {});

// Both, and between them the broker's own words (Reason String, 3.2.2.3.9; outside text), as of a CONNACK or DISCONNECT.
std::string mqtt_reason_in_full(int reason, const std::string &words = {}, const std::string &server = {});

// The return code of an MQTT 3.1.1 CONNACK (section 3.2.2.3) as the MQTT 5 reason of the same meaning.
int mqtt_reason_of_return_code(int code);

// Is it about this message: too large, of a form that is not accepted? Then it will never be taken.
bool mqtt_reason_is_of_message(int reason);
// Is it about the link, the client or the broker, and not about a message that was being sent?
bool mqtt_reason_is_of_link(int reason);

}  // namespace ble
