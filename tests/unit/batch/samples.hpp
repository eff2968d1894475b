// Lines to test with.
#pragma once

#include <string>

#include "batch/batch.hpp"

inline const std::string hash_a(64, 'a'), hash_b = std::string(63, '0') + "b";

inline std::string detection(const std::string &hash, const std::string &rssi, const std::string &more = "") {
    return R"({"device_hash":")" + hash + R"(","rssi":)" + rssi +
           R"(,"zone":"medium","timestamp":"2026-11-22T06:30:09.412Z")" + more + "}";
}

// `members`: as in ",\"seq\":1".
inline std::string batch_line(const std::string &detections, const std::string &members = "") {
    return R"({"device_id":"pi-lab-1")" + members + R"(,"detections":[)" + detections + "]}";
}

inline ble::ParsedLine parse(const std::string &line) {
    static ble::BatchParser parser;
    return parser.parse(line);
}

inline ble::ParsedBatch parse_good(const std::string &line) {
    return std::get<ble::ParsedBatch>(parse(line));
}

// Why the line is refused; empty: it is not.
inline std::string refusal(const std::string &line) {
    const auto parsed = parse(line);
    const auto *invalid = std::get_if<ble::InvalidLine>(&parsed);
    return invalid ? invalid->reason : "";
}

// Why its only detection is refused; empty: it is not.
inline std::string detection_refusal(const std::string &text) {
    const auto parsed = parse_good(batch_line(text));
    return parsed.rejected.empty() ? "" : parsed.rejected.at(0).reason;
}
