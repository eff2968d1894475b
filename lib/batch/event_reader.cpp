#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "batch/event.hpp"
#include "batch/subscribe.hpp"

namespace ble {

namespace {

namespace ondemand = simdjson::ondemand;

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
};

EventReader::EventReader() : impl_(std::make_unique<Impl>()) {}
EventReader::~EventReader() = default;
EventReader::EventReader(EventReader &&) noexcept = default;
EventReader &EventReader::operator=(EventReader &&) noexcept = default;

std::optional<EventView> EventReader::read(std::string_view event_line) {
    if (event_line.size() > max_event) return std::nullopt;
    char *const padded = impl_->padded.get();
    std::memcpy(padded, event_line.data(), event_line.size());
    std::memset(padded + event_line.size(), 0, simdjson::SIMDJSON_PADDING);
    EventView view;
    view.line = event_line;
    // What is passed over while positions are looked for is not looked at, so it is made sure first that all is JSON.
    if (impl_->whole.parse(padded, event_line.size(), false).error() != simdjson::SUCCESS)
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
