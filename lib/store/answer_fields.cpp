#include "store/answer_fields.hpp"

#include <cmath>
#include <utility>

#include "batch/json_text.hpp"

namespace ble {
namespace {

template <class T>
Field::Value value(const std::optional<T> &one) {
    return one ? Field::Value(*one) : Field::Value();
}

Field::Value if_any(const std::string &text) {
    return text.empty() ? Field::Value() : Field::Value(text);
}

Field::Value clock(const std::optional<bool> &synced) {
    return synced ? Field::Value(std::string(*synced ? "synced" : "unsynced")) : Field::Value();
}

Field::Value seconds(const std::optional<std::int64_t> &ms) {
    return ms ? Field::Value(static_cast<double>(*ms) / 1000) : Field::Value();
}

std::string text(Zone zone) {
    return std::string(zone_name(zone));
}

std::string text(Listening what) {
    return what == Listening::listening ? "listening" : what == Listening::silent ? "silent" : "gap";
}

std::string text(PiState::State state) {
    using State = PiState::State;
    return state == State::listening ? "listening" : state == State::silent ? "silent" : "gone";
}

std::string in_tenths(double number) {
    const auto tenths = std::llround(std::abs(number) * 10);
    return (number < 0 && tenths > 0 ? "-" : "") + std::to_string(tenths / 10) + '.' +
           std::to_string(tenths % 10);
}

}  // namespace

Fields fields_of(const PiState &pi) {
    return {{"device_id", pi.spot.device_id},      {"name", value(pi.spot.name)},
            {"location", value(pi.spot.location)}, {"state", text(pi.state)},
            {"last_heard", value(pi.last_heard)},  {"silent_since", value(pi.silent_since)},
            {"clock", clock(pi.clock_synced)},     {"batches_missing", pi.batches_missing},
            {"conflicts", pi.conflicts},           {"two_at_once", value(pi.two_at_once)},
            {"version", value(pi.version)},        {"sender", value(pi.sender)},
            {"hash_id", value(pi.hash_id)},        {"first_seen", value(pi.first_seen)}};
}

Fields fields_of(const Presence &presence) {
    return {{"device_hash", presence.device_hash},
            {"device_id", presence.spot.device_id},
            {"name", value(presence.spot.name)},
            {"location", value(presence.spot.location)},
            {"rssi", presence.rssi},
            {"zone", text(presence.zone)},
            {"last", presence.last},
            {"pis", presence.pis},
            {"detections", presence.detections},
            {"advertiser_name", if_any(presence.told.name)},
            {"beacon", if_any(presence.told.beacon)},
            {"company", if_any(presence.told.company)}};
}

Fields fields_of(const TrackPoint &point) {
    const bool heard = !point.not_heard_because;
    const auto if_heard = [&](Field::Value one) { return heard ? std::move(one) : Field::Value(); };
    return {{"from", point.from},
            {"until", point.until},
            {"device_id", point.spot.device_id},
            {"name", value(point.spot.name)},
            {"location", value(point.spot.location)},
            {"what", heard ? "heard" : text(*point.not_heard_because)},
            {"rssi", if_heard(point.rssi)},
            {"mean_rssi", if_heard(point.mean_rssi())},
            {"zone", if_heard(text(point.zone))},
            {"detections", if_heard(point.detections)},
            {"first", value(point.first)},
            {"last", value(point.last)},
            {"reason", value(point.reason)},
            {"device_hash", if_heard(point.device_hash)},
            {"advertiser_name", if_any(point.told.name)},
            {"beacon", if_any(point.told.beacon)},
            {"company", if_any(point.told.company)}};
}

Fields fields_of(const Occupied &occupied) {
    Fields fields{
        {"from", occupied.from},        {"until", occupied.until},
        {"name", value(occupied.name)}, {"location", value(occupied.location)},
        {"near", occupied.near},        {"medium", occupied.medium},
        {"far", occupied.far},          {"advertisers", occupied.near + occupied.medium + occupied.far},
        {"pis", occupied.pis},          {"listened_s", seconds(occupied.listened_ms)}};
    if (occupied.device_id) fields.insert(fields.begin() + 2, {"device_id", *occupied.device_id});
    return fields;
}

Fields fields_of(const CoverageStretch &stretch) {
    return {{"device_id", stretch.spot.device_id},
            {"name", value(stretch.spot.name)},
            {"location", value(stretch.spot.location)},
            {"what", text(stretch.what)},
            {"from", stretch.from},
            {"until", stretch.until},
            {"reason", value(stretch.reason)},
            {"windows", value(stretch.windows)},
            {"listened_s", seconds(stretch.listened_ms)},
            {"clock", clock(stretch.clock_synced)}};
}

Fields fields_of(const Missing &missing) {
    return {{"what", missing.what},
            {"device_id", missing.spot.device_id},
            {"name", value(missing.spot.name)},
            {"location", value(missing.spot.location)},
            {"since", value(missing.since)},
            {"reason", missing.reason},
            {"batches", value(missing.batches)},
            {"lost_from", value(missing.lost_from)},
            {"lost_to", value(missing.lost_to)},
            {"lost_clock", value(missing.lost_clock)},
            {"run_id", value(missing.run_id)},
            {"from_seq", value(missing.from_seq)},
            {"to_seq", value(missing.to_seq)}};
}

Fields fields_of(const TopAdvertiser &advertiser) {
    return {{"device_hash", advertiser.device_hash},
            {"detections", advertiser.detections},
            {"pis", advertiser.pis},
            {"rssi", advertiser.rssi},
            {"first", advertiser.first},
            {"last", advertiser.last}};
}

std::string plain_text(const Field::Value &value) {
    struct Printer {
        std::string operator()(std::monostate) const { return {}; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return in_tenths(number); }
        std::string operator()(bool flag) const { return flag ? "true" : "false"; }
        std::string operator()(const std::string &one) const { return one; }
        std::string operator()(Time time) const { return format_ms(time); }
    };
    return std::visit(Printer{}, value);
}

std::string print_json(const Fields &fields) {
    std::string out = "{";
    for (const auto &[name, value] : fields) {
        if (std::holds_alternative<std::monostate>(value)) continue;
        if (out.size() > 1) out += ',';
        append_json_string(out, name);
        out += ':';
        if (std::holds_alternative<std::string>(value) || std::holds_alternative<Time>(value))
            append_json_string(out, plain_text(value));
        else
            out += plain_text(value);
    }
    return out += '}';
}

}  // namespace ble
