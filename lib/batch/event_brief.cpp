#include "batch/event_brief.hpp"

#include <simdjson.h>

#include "batch/event.hpp"

namespace ble {
namespace {

namespace dom = simdjson::dom;

constexpr const char *kept[] = {"format", "device_id", "name",      "location",    "version", "timestamp",
                                "run_id", "seq",       "window_ms", "interval_ms", "clock",   "hash_id"};

std::string zones_of(dom::object data) {
    std::int64_t near = 0, medium = 0, far = 0;
    dom::array detections;
    if (dom::object told; data["occupancy"].get(told) == simdjson::SUCCESS) {
        for (const auto &[zone, count] : {std::pair("near", &near), {"medium", &medium}, {"far", &far}})
            if (told[zone].get(*count) != simdjson::SUCCESS) *count = 0;
    } else if (data["detections"].get(detections) == simdjson::SUCCESS) {
        for (const dom::element one : detections) {
            std::string_view zone;
            if (one["zone"].get(zone) != simdjson::SUCCESS) continue;
            near += zone == "near" ? 1 : 0;
            medium += zone == "medium" ? 1 : 0;
            far += zone == "far" ? 1 : 0;
        }
    }
    return "{\"near\":" + std::to_string(near) + ",\"medium\":" + std::to_string(medium) +
           ",\"far\":" + std::to_string(far) + "}";
}

}  // namespace

struct EventBrief::Impl {
    dom::parser parser{max_event};
};

EventBrief::EventBrief() : impl_(std::make_unique<Impl>()) {}
EventBrief::~EventBrief() = default;
EventBrief::EventBrief(EventBrief &&) noexcept = default;
EventBrief &EventBrief::operator=(EventBrief &&) noexcept = default;

std::optional<std::string> EventBrief::of(std::string_view detection_event) {
    dom::element event;
    dom::object data;
    if (impl_->parser.parse(detection_event.data(), detection_event.size()).get(event) != simdjson::SUCCESS ||
        event["data"].get(data) != simdjson::SUCCESS)
        return std::nullopt;
    std::string out = R"({"type":"detection_event","data":{)";
    dom::element value;
    for (const char *name : kept)
        if (data[name].get(value) == simdjson::SUCCESS)
            out.append("\"").append(name).append("\":").append(simdjson::minify(value)).append(",");
    return out.append("\"occupancy\":").append(zones_of(data)).append("}}");
}

}  // namespace ble
