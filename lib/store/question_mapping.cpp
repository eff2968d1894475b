#include "store/question_mapping.hpp"

#include <algorithm>

#include "store/milliseconds.hpp"

namespace ble {
namespace {

std::optional<Time> time(const Columns &row, int column) {
    const auto ms = row.number(column);
    return ms ? std::optional(from_milliseconds(*ms)) : std::nullopt;
}

Time known_time(const Columns &row, int column) {
    return from_milliseconds(row.number(column).value_or(0));
}

std::optional<Time> iso_time(const Columns &row, int column) {
    const auto text = row.text(column);
    return text ? parse_rfc3339(*text) : std::nullopt;
}

std::optional<bool> flag(const Columns &row, int column) {
    const auto number = row.number(column);
    return number && *number >= 0 ? std::optional(*number != 0) : std::nullopt;
}

Zone zone(const Columns &row, int column) {
    return static_cast<Zone>(std::clamp<std::int64_t>(row.number(column).value_or(2), 0, 2));
}

// A place keeps a name that nobody told as an empty one.
std::optional<std::string> told(const Columns &row, int column) {
    auto text = row.text(column);
    return text && !text->empty() ? text : std::nullopt;
}

// From this column on: device_id, name, location.
Spot spot(const Columns &row, int column) {
    return {row.text(column).value_or(""), told(row, column + 1), told(row, column + 2)};
}

}  // namespace

// Spot, is_active, first_seen, heard, interval_ms, clock, hash_id, batches missing, two at once, sender, conflicts, version
void map(const Columns &row, const Asked &, PiState &pi) {
    pi.spot = spot(row, 0);
    pi.state = row.number(3).value_or(1) == 0 ? PiState::State::gone : PiState::State::listening;
    pi.first_seen = time(row, 4);
    pi.last_heard = time(row, 5);
    pi.interval_ms = row.number(6);
    pi.clock_synced = flag(row, 7);
    pi.hash_id = row.text(8);
    pi.batches_missing = row.number(9).value_or(0);
    pi.two_at_once = time(row, 10);
    pi.sender = row.text(11);
    pi.conflicts = row.number(12).value_or(0);
    pi.version = row.text(13);
}

// Spot, device_hash, rssi, zone, last, Pis, detections, details of the latest one as JSON
void map(const Columns &row, const Asked &, Presence &presence) {
    presence.spot = spot(row, 0);
    presence.device_hash = row.text(3).value_or("");
    presence.rssi = row.number(4).value_or(0);
    presence.zone = zone(row, 5);
    presence.last = known_time(row, 6);
    presence.pis = row.number(7).value_or(0);
    presence.detections = row.number(8).value_or(0);
    presence.told = read_told(row.text(9).value_or(""));
}

// Spot, device_hash, step, first, last, rssi, sum of rssi, detections, zone
void map(const Columns &row, const Asked &asked, TrackPoint &point) {
    const auto step = row.number(4).value_or(0);
    point.spot = spot(row, 0);
    point.device_hash = row.text(3).value_or("");
    point.from = from_milliseconds(step * asked.every);
    point.until = from_milliseconds((step + 1) * asked.every);
    point.first = time(row, 5);
    point.last = time(row, 6);
    point.rssi = row.number(7).value_or(0);
    point.rssi_sum = row.number(8).value_or(0);
    point.detections = row.number(9).value_or(0);
    point.zone = zone(row, 10);
}

// Step, name, location, near, medium, far of advertisers, the same of numbers alone; Pi by Pi also device_id
void map(const Columns &row, const Asked &asked, Occupied &occupied) {
    const auto step = row.number(0).value_or(0);
    const auto most = [&](int column) {
        return std::max(row.number(column).value_or(0), row.number(column + 3).value_or(0));
    };
    occupied.from = from_milliseconds(step * asked.every);
    occupied.until = from_milliseconds((step + 1) * asked.every);
    if (asked.by_device) occupied.device_id = row.text(9);
    occupied.name = told(row, 1);
    occupied.location = told(row, 2);
    occupied.near = most(3);
    occupied.medium = most(4);
    occupied.far = most(5);
}

// Spot, clock, first, begin, last, windows, listened_ms, reach
void map(const Columns &row, const Asked &, StretchRow &stretch) {
    stretch.spot = spot(row, 0);
    stretch.clock_synced = flag(row, 3);
    stretch.first = known_time(row, 4);
    stretch.begin = known_time(row, 5);
    stretch.last = known_time(row, 6);
    stretch.windows = row.number(7).value_or(0);
    stretch.listened_ms = row.number(8).value_or(0);
    stretch.reach_ms = row.number(9).value_or(0);
}

// device_id, reason, lost_from, lost_to
void map(const Columns &row, const Asked &, GapRow &gap) {
    gap.device_id = row.text(0).value_or("");
    gap.reason = row.text(1).value_or("");
    gap.from = time(row, 2);
    gap.to = time(row, 3);
}

// Spot, what, since, reason, batches, run_id, from_seq, to_seq, lost_from, lost_to, lost_clock; times as text
void map(const Columns &row, const Asked &, Missing &missing) {
    missing.spot = spot(row, 0);
    missing.what = row.text(3).value_or("");
    missing.since = iso_time(row, 4);
    missing.reason = row.text(5).value_or("");
    missing.batches = row.number(6);
    missing.run_id = row.text(7);
    missing.from_seq = row.number(8);
    missing.to_seq = row.number(9);
    missing.lost_from = iso_time(row, 10);
    missing.lost_to = iso_time(row, 11);
    missing.lost_clock = row.text(12);
}

// device_hash, detections, Pis, rssi, first, last
void map(const Columns &row, const Asked &, TopAdvertiser &advertiser) {
    advertiser.device_hash = row.text(0).value_or("");
    advertiser.detections = row.number(1).value_or(0);
    advertiser.pis = row.number(2).value_or(0);
    advertiser.rssi = row.number(3).value_or(0);
    advertiser.first = known_time(row, 4);
    advertiser.last = known_time(row, 5);
}

}  // namespace ble
