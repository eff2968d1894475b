#include "radio/hci/fragment_joiner.hpp"

#include <algorithm>

namespace ble {

namespace {

constexpr std::uint16_t scan_response = 0x08, legacy_pdu = 0x10, status_mask = 0x60, more_to_come = 0x20,
                        truncated_status = 0x40;
constexpr auto patience = std::chrono::seconds(1);  // a controller sends the parts back to back

bool same_source(const Report &a, const Report &b) {
    return a.address.number() == b.address.number() && a.address.type == b.address.type &&
           a.advertising_set == b.advertising_set &&
           (a.event_type & scan_response) == (b.event_type & scan_response);
}

}  // namespace

void FragmentJoiner::add(const Report &report) {
    const bool part_of_several = report.extended && !(report.event_type & legacy_pdu);
    const bool more = part_of_several && (report.event_type & status_mask) == more_to_come;
    if (!more && open_.empty()) return sink_(report);
    auto open = part_of_several ? find(report) : open_.end();
    if (open != open_.end() && std::chrono::abs(report.timestamp - open->report.timestamp) > patience) {
        hand_on(open, true);
        open = open_.end();
    }
    if (open == open_.end()) {
        if (!more) return sink_(report);
        if (open_.size() == most_open) hand_on(open_.begin(), true);
        open = open_.insert(open_.end(), Open{report, {}, false});
    }
    append(*open, report);
    if (!more) hand_on(open, (report.event_type & status_mask) == truncated_status);
}

void FragmentJoiner::finish() {
    while (!open_.empty()) hand_on(open_.begin(), true);
}

FragmentJoiner::Place FragmentJoiner::find(const Report &report) {
    return std::find_if(open_.begin(), open_.end(),
                        [&](const Open &open) { return same_source(open.report, report); });
}

void FragmentJoiner::append(Open &open, const Report &report) {
    const std::size_t room = longest_data - open.data.size();
    const auto fits = report.data.first(std::min(room, report.data.size()));
    open.data.insert(open.data.end(), fits.begin(), fits.end());
    if (fits.size() < report.data.size()) open.overlong = true;
    open.report.timestamp = report.timestamp;
    if (report.rssi_dbm != Report::not_available) open.report.rssi_dbm = report.rssi_dbm;
    if (report.tx_power_dbm != Report::not_available) open.report.tx_power_dbm = report.tx_power_dbm;
}

void FragmentJoiner::hand_on(Place open, bool truncated) {
    const bool cut = truncated || open->overlong;
    open->report.event_type =
        static_cast<std::uint16_t>((open->report.event_type & ~status_mask) | (cut ? truncated_status : 0));
    open->report.data = open->data;
    sink_(open->report);
    open_.erase(open);
}

}  // namespace ble
