#include "batch/event.hpp"

#include <utility>

#include "batch/json_text.hpp"
#include "batch/safe_text.hpp"
#include "batch/sender.hpp"

namespace ble {

namespace {

std::string event(std::string_view type, std::string_view data) {
    std::string out;
    out.reserve(data.size() + type.size() + 24);
    out.append("{\"type\":\"").append(type).append("\",\"data\":").append(data).append("}");
    escape_unsafe(out);  // people look at events in terminals, and senders choose what unknown members hold
    return out;
}

}  // namespace

std::string detection_event(std::string_view line) {
    return event("detection_event", without_sender(line));
}
std::string detection_event(const Batch &stored) {
    return event("detection_event", print_batch(stored));
}
std::vector<std::string> detection_events(const Batch &stored) {
    std::vector<std::string> events{detection_event(stored)};
    if (events[0].size() <= max_event || stored.detections.size() < 2) return events;
    events.clear();
    const auto middle = stored.detections.begin() + static_cast<std::ptrdiff_t>(stored.detections.size() / 2);
    Batch half = stored;
    for (const auto &[from, to] :
         {std::pair(stored.detections.begin(), middle), std::pair(middle, stored.detections.end())}) {
        half.detections.assign(from, to);
        for (auto &event : detection_events(half)) events.push_back(std::move(event));
    }
    return events;
}
std::string gap_event(std::string_view line) {
    return event("gap_event", without_sender(line));
}
std::string two_at_once_event(const Twins &twins) {
    std::string data = "{\"device_id\":";
    append_json_string(data, twins.device_id);
    data += ",\"run_ids\":[";
    append_json_string(data, twins.run_ids[0]);
    data += ',';
    append_json_string(data, twins.run_ids[1]);
    data += "],\"timestamp\":\"" + format_ms(twins.noticed_at) + "\"}";
    return event("two_at_once_event", data);
}
std::string stats_update(std::string_view counters) {
    return event("stats_update", counters);
}

std::string connection_status(std::string_view status, std::size_t clients, Time time, bool history) {
    std::string data = "{\"status\":";
    append_json_string(data, status);
    data += ",\"clients\":" + std::to_string(clients) + ",\"timestamp\":\"" + format_ms(time) + '"';
    if (history) data += ",\"history\":true";
    return event("connection_status", data + "}");
}

std::string error_event(std::string_view reason) {
    std::string data = "{\"reason\":";
    append_json_string(data, reason);
    return event("error", data + "}");
}

std::string lagged(std::uint64_t missed) {
    return event("lagged", "{\"missed\":" + std::to_string(missed) + "}");
}

}  // namespace ble
