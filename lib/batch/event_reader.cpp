#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "batch/event.hpp"
#include "batch/json_text.hpp"
#include "batch/names.hpp"
#include "batch/subscribe.hpp"

namespace ble {

namespace {

namespace dom = simdjson::dom;
namespace ondemand = simdjson::ondemand;

constexpr std::size_t max_depth = 17;  // a line's, and one more around it

// Do two members of one object have one name? Objects that are none pass: who reads them says what is wrong.
bool has_twice(dom::element element, Names &names) {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return false;
    names.clear();
    for (const auto [key, value] : object) names.add(key);
    return names.twice().data() != nullptr;
}

// The objects that the parser of lines looks at: no two readers must understand one line differently.
bool event_has_twice(dom::element event, Names &names) {
    if (has_twice(event, names)) return true;
    dom::element data, inner;
    if (event["data"].get(data) != simdjson::SUCCESS) return false;
    if (has_twice(data, names)) return true;
    for (const char *member : {"gap", "occupancy"})
        if (data[member].get(inner) == simdjson::SUCCESS && has_twice(inner, names)) return true;
    dom::array detections;
    if (data["detections"].get(detections) != simdjson::SUCCESS) return false;
    return std::any_of(detections.begin(), detections.end(),
                       [&](dom::element one) { return has_twice(one, names); });
}

// In here simdjson's exceptions are the way out of a line that is not what it should be; read() catches them.
EventView::Detection read_detection(ondemand::value value, const char *start) {
    ondemand::object object = value.get_object();
    const std::string_view raw = object.raw_json();
    EventView::Detection out{};
    out.begin = static_cast<std::size_t>(raw.data() - start);
    out.end = out.begin + raw.rfind('}') + 1;  // without the blanks behind it
    object.reset();
    for (auto field : object) {
        const std::string_view key = field.unescaped_key();
        if (key == "device_hash" && out.device_hash.empty()) {
            out.device_hash = std::string_view(field.value().get_string());
            for (char &digit : out.device_hash) {
                if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
            }
        } else if (key == "rssi" && !out.rssi_dbm) {
            const double rssi = field.value().get_double();
            out.rssi_dbm = static_cast<int>(std::clamp(rssi, -128.0, 127.0));
        }
    }
    return out;
}

void read_data(ondemand::object data, const char *start, EventView &view) {
    for (auto field : data) {
        const std::string_view key = field.unescaped_key();
        if (key == "device_id" && !view.device_id) {
            view.device_id = std::string_view(field.value().get_string());
        } else if (key == "timestamp") {
            std::string_view text;
            if (field.value().get_string().get(text) == simdjson::SUCCESS)
                view.timestamp = parse_rfc3339(text);
        } else if (key == "detections" && !view.detections) {
            auto &detections = view.detections.emplace();
            for (auto element : field.value().get_array())
                detections.push_back(read_detection(element.value(), start));
        }
    }
}

}  // namespace

struct EventReader::Impl {
    simdjson::dom::parser whole{max_event};
    ondemand::parser parser{max_event};
    std::unique_ptr<char[]> padded{new char[max_event + simdjson::SIMDJSON_PADDING]};
    Names names;

    Impl() {
        if (whole.allocate(max_event, max_depth) != simdjson::SUCCESS) throw std::bad_alloc();
    }
};

EventReader::EventReader() : impl_(std::make_unique<Impl>()) {}
EventReader::~EventReader() = default;
EventReader::EventReader(EventReader &&) noexcept = default;
EventReader &EventReader::operator=(EventReader &&) noexcept = default;

std::optional<EventView> EventReader::read(std::string_view event_line) {
    if (event_line.size() > max_event || has_byte_order_mark(event_line)) return std::nullopt;
    char *const padded = impl_->padded.get();
    std::memcpy(padded, event_line.data(), event_line.size());
    std::memset(padded + event_line.size(), 0, simdjson::SIMDJSON_PADDING);
    EventView view;
    view.line = event_line;
    // What is passed over while positions are looked for is not looked at, so it is made sure first that all is JSON.
    dom::element event;
    if (impl_->whole.parse(padded, event_line.size(), false).get(event) != simdjson::SUCCESS ||
        event_has_twice(event, impl_->names))
        return std::nullopt;
    try {
        auto document =
            impl_->parser.iterate(padded, event_line.size(), event_line.size() + simdjson::SIMDJSON_PADDING);
        for (auto field : document.get_object()) {
            const std::string_view key = field.unescaped_key();
            if (key == "type") view.type = std::string_view(field.value().get_string());
            if (key == "data") read_data(field.value().get_object(), padded, view);
        }
        if (document.current_location().error() == simdjson::SUCCESS)
            return std::nullopt;  // more on the line
    } catch (const simdjson::simdjson_error &) {
        return std::nullopt;
    }
    return view.type.empty() ? std::nullopt : std::optional(std::move(view));
}

}  // namespace ble
