#include "top/intake.hpp"

#include <cstdlib>

namespace ble {

bool Intake::take(std::string_view line, const Moment &came) {
    if (const auto event = splitter_.read(line)) return take_event(*event, came);
    return take_batch(line, came);
}

bool Intake::take_batch(std::string_view line, const Moment &came) {
    const ParsedLine parsed = parser_.parse(line);
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed))
        model_.take(*batch, came);
    else if (const auto *gap = std::get_if<Gap>(&parsed))
        model_.take(*gap, came);
    else
        return false;
    return true;
}

bool Intake::take_event(const EventParts &event, const Moment &came) {
    if (event.type == "detection_event" || event.type == "gap_event") return take_batch(event.data, came);
    if (event.type == "two_at_once_event") {
        Twins twins;
        twins.device_id = member_text(event.data, "device_id");
        if (twins.device_id.empty()) return false;
        model_.take(twins, came);
    } else if (event.type == "connection_status") {
        const auto status = member_text(event.data, "status");
        if (status == "connected" || status == "live") model_.old_ones(status == "connected");
    } else if (event.type == "lagged") {
        model_.note_missed(std::strtoull(member_text(event.data, "missed").c_str(), nullptr, 10));
    }
    return true;
}

}  // namespace ble
