#include "batch/http_reply.hpp"

#include "base/version.hpp"
#include "batch/json_text.hpp"

namespace ble {

std::string stored_body(std::string_view device_id, std::size_t count) {
    const std::string number = std::to_string(count);
    std::string out =
        "{\"message\":\"Stored " + number + (count == 1 ? " detection" : " detections") + "\",\"device_id\":";
    append_json_string(out, device_id);
    return out + ",\"count\":" + number + "}";
}

std::string error_body(std::string_view detail) {
    std::string out = "{\"detail\":";
    append_json_string(out, detail);
    return out + "}";
}

std::string health_body(std::string_view service, std::string_view reason, std::string_view refused) {
    std::string out =
        reason.empty() ? "{\"status\":\"healthy\",\"service\":" : "{\"status\":\"unhealthy\",\"service\":";
    append_json_string(out, service);
    out += std::string(",\"version\":\"") + program_version + "\"";
    if (!reason.empty()) {
        out += ",\"detail\":";
        append_json_string(out, reason);
    }
    if (!refused.empty()) out.append(",\"refused\":").append(refused);
    return out + "}";
}

}  // namespace ble
