#include "batch/event_parts.hpp"

#include <simdjson.h>

#include <cstring>

#include "batch/event.hpp"
#include "batch/json_text.hpp"

namespace ble {

struct EventSplitter::Impl {
    simdjson::ondemand::parser parser{max_event};
    std::unique_ptr<char[]> padded{new char[max_event + simdjson::SIMDJSON_PADDING]};
};

EventSplitter::EventSplitter() : impl_(std::make_unique<Impl>()) {}
EventSplitter::~EventSplitter() = default;
EventSplitter::EventSplitter(EventSplitter &&) noexcept = default;
EventSplitter &EventSplitter::operator=(EventSplitter &&) noexcept = default;

std::optional<EventParts> EventSplitter::read(std::string_view line) {
    if (line.size() > max_event || has_byte_order_mark(line)) return std::nullopt;
    char *const padded = impl_->padded.get();
    std::memcpy(padded, line.data(), line.size());
    std::memset(padded + line.size(), 0, simdjson::SIMDJSON_PADDING);
    EventParts parts;
    try {
        auto document = impl_->parser.iterate(padded, line.size(), line.size() + simdjson::SIMDJSON_PADDING);
        for (auto field : document.get_object()) {
            const std::string_view key = field.unescaped_key();
            if (key == "type" && parts.type.empty()) {
                parts.type = std::string_view(field.value().get_string());
            } else if (key == "data" && parts.data.empty()) {
                simdjson::ondemand::object object = field.value().get_object();
                const std::string_view raw = object.raw_json();
                parts.data = raw.substr(0, raw.rfind('}') + 1);
            }
        }
        if (document.current_location().error() == simdjson::SUCCESS) return std::nullopt;
    } catch (const simdjson::simdjson_error &) {
        return std::nullopt;
    }
    return parts.type.empty() ? std::nullopt : std::optional(std::move(parts));
}

}  // namespace ble
