#include "batch/batch_table.hpp"

#include <algorithm>
#include <cstdio>

#include "batch/shown_text.hpp"
#include "batch/told.hpp"

namespace ble {
namespace {

// "06:30:10.000" of "2026-11-22T06:30:10.000Z"
std::string time_of_day(Time time) {
    return format_ms(time).substr(11, 12);
}

std::string head(const Batch &batch, const Look &look) {
    std::string line = batch.timestamp ? time_of_day(*batch.timestamp) : "            ";
    line += "  " + fit(batch.device_id, std::min<std::size_t>(columns_of(batch.device_id, look.utf8), 50),
                       look.utf8);
    if (batch.position) line += "  seq " + std::to_string(batch.position->seq);
    char window[32];
    std::snprintf(window, sizeof window, "  window %g s", batch.window_ms.value_or(0) / 1000.0);
    if (batch.window_ms) line += window;
    if (batch.clock_synced == false) line += "  clock unsynced";
    if (const auto &zones = batch.occupancy)
        return line + "  near " + std::to_string(zones->near) + "  medium " + std::to_string(zones->medium) +
               "  far " + std::to_string(zones->far);
    return line + "  " + std::to_string(batch.detections.size()) + " advertisers";
}

void append_detection(std::string &out, const Detection &one, const Look &look) {
    constexpr std::size_t label_columns = 32;
    char text[64];
    std::snprintf(text, sizeof text, "%4d dBm  %-6.*s", one.rssi_dbm,
                  static_cast<int>(zone_name(one.zone).size()), zone_name(one.zone).data());
    out += "\n  ";
    out += one.device_hash.text().substr(0, 8);
    out += "  ";
    append_coloured(out, text, colour_of(one.zone), look);
    if (one.count) std::snprintf(text, sizeof text, "  %5u reports  ", *one.count);
    out += one.count ? text : std::string(17, ' ');
    out += time_of_day(one.timestamp);
    const Told told = one.details.empty() ? Told() : read_told(one.details);
    if (told.label().empty()) return;
    std::string label = fit(told.label(), label_columns, look.utf8);
    label.erase(label.find_last_not_of(' ') + 1);
    out += "  " + label;
}

}  // namespace

Colour colour_of(Zone zone) {
    return zone == Zone::near ? Colour::green : zone == Zone::medium ? Colour::yellow : Colour::dim;
}

std::string print_batch_table(const Batch &batch, const Look &look) {
    std::string out = head(batch, look);
    std::vector<const Detection *> sorted;
    for (const Detection &one : batch.detections) sorted.push_back(&one);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Detection *a, const Detection *b) { return a->rssi_dbm > b->rssi_dbm; });
    for (const Detection *one : sorted) append_detection(out, *one, look);
    return out;
}

}  // namespace ble
