#include <algorithm>
#include <charconv>
#include <utility>

#include "base/hex_text.hpp"
#include "batch/batch.hpp"
#include "batch/json_text.hpp"

namespace ble {

namespace {

// `name` is the member with its punctuation: ",\"name\":".
void append_text(std::string &out, std::string_view name, std::string_view value) {
    out += name;
    append_json_string(out, value);
}

template <class Integer>
void append_number(std::string &out, std::string_view name, Integer value) {
    char digits[24];
    out += name;
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void append_archive(std::string &out, const Archived &archive) {
    append_text(out, ",\"archive\":{\"received_at\":", format_ms(archive.received_at));
    append_number(out, ",\"age_s\":", archive.age_s);
    if (archive.digest) {
        out += ",\"digest\":\"";
        append_hex(out,
                   {reinterpret_cast<const std::uint8_t *>(archive.digest->data()), archive.digest->size()});
        out += '"';
    }
    out += '}';
}

void append_detection(std::string &out, const Detection &detection) {
    append_text(out, "{\"device_hash\":", detection.device_hash.text());
    append_number(out, ",\"rssi\":", detection.rssi_dbm);
    out += ",\"zone\":\"";
    out += zone_name(detection.zone);
    out += "\",\"timestamp\":\"";
    out += format_ms(detection.timestamp);
    out += '"';
    if (detection.count) append_number(out, ",\"count\":", *detection.count);
    if (detection.details.size() > 2) {
        out += ',';
        out.append(detection.details, 1, detection.details.size() - 2);
    }
    out += '}';
}

}  // namespace

std::string_view zone_name(Zone zone) {
    switch (zone) {
        case Zone::near:
            return "near";
        case Zone::medium:
            return "medium";
        case Zone::far:
            break;
    }
    return "far";
}

Span window_of(const Batch &batch) {
    if (!batch.timestamp) return {};
    const Time from = *batch.timestamp - std::chrono::milliseconds(batch.window_ms.value_or(0));
    return {std::max(from, Time{}), batch.timestamp, batch.clock_synced};  // none is before 1970
}

Gap gap_for(const Batch &batch, std::string reason) {
    const auto &[run_id, seq] = *batch.position;
    return {batch.device_id, run_id, seq, seq, std::move(reason), {}, window_of(batch)};
}

std::string print_batch(const Batch &batch) {
    std::string out;
    std::size_t details = 0;
    for (const Detection &detection : batch.detections) details += detection.details.size();
    out.reserve(512 + details + batch.detections.size() * 192);
    append_text(out, "{\"format\":1,\"device_id\":", batch.device_id);
    if (batch.name) append_text(out, ",\"name\":", *batch.name);
    if (batch.location) append_text(out, ",\"location\":", *batch.location);
    if (batch.version) append_text(out, ",\"version\":", *batch.version);
    if (batch.timestamp) append_text(out, ",\"timestamp\":", format_ms(*batch.timestamp));
    if (batch.position) {
        append_text(out, ",\"run_id\":", batch.position->run_id);
        append_number(out, ",\"seq\":", batch.position->seq);
    }
    if (batch.window_ms) append_number(out, ",\"window_ms\":", *batch.window_ms);
    if (batch.interval_ms) append_number(out, ",\"interval_ms\":", *batch.interval_ms);
    if (batch.clock_synced) append_text(out, ",\"clock\":", *batch.clock_synced ? "synced" : "unsynced");
    if (batch.hash_id) append_text(out, ",\"hash_id\":", *batch.hash_id);
    if (batch.occupancy) {
        append_number(out, ",\"occupancy\":{\"near\":", batch.occupancy->near);
        append_number(out, ",\"medium\":", batch.occupancy->medium);
        append_number(out, ",\"far\":", batch.occupancy->far);
        out += '}';
    }
    out += ",\"detections\":[";
    for (const Detection &detection : batch.detections) {
        if (out.back() != '[') out += ',';
        append_detection(out, detection);
    }
    out += ']';
    if (batch.archive) append_archive(out, *batch.archive);
    out += '}';
    return out;
}

std::string print_gap(const Gap &gap) {
    std::string out;
    append_text(out, "{\"format\":1,\"device_id\":", gap.device_id);
    append_text(out, ",\"run_id\":", gap.run_id);
    append_number(out, ",\"gap\":{\"from_seq\":", gap.from_seq);
    append_number(out, ",\"to_seq\":", gap.to_seq);
    append_text(out, ",\"reason\":", gap.reason);
    if (gap.lost.from) append_text(out, ",\"from\":", format_ms(*gap.lost.from));
    if (gap.lost.to) append_text(out, ",\"to\":", format_ms(*gap.lost.to));
    if (gap.lost.clock_synced)
        append_text(out, ",\"clock\":", *gap.lost.clock_synced ? "synced" : "unsynced");
    out += "}}";
    return out;
}

}  // namespace ble
