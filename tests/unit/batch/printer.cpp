#include "batch/event.hpp"
#include "batch/http_reply.hpp"
#include "batch/json_text.hpp"
#include "batch/subscribe.hpp"
#include "catch.hpp"
#include "samples.hpp"

using namespace ble;

namespace {

Batch full_batch() {
    Batch batch;
    batch.device_id = "pi-lab-1";
    batch.name = "Lab";
    batch.location = "2nd \"floor\" \\";
    batch.version = "0.1.0";
    batch.timestamp = parse_rfc3339("2026-11-22T06:30:10Z");
    batch.position = RunPosition{"9f2c41d07a6be813", 412};
    batch.window_ms = 10000;
    batch.interval_ms = 30000;
    batch.clock_synced = true;
    batch.hash_id = "sha256";
    Detection one;
    one.device_hash = DeviceHash(hash_a);
    one.rssi_dbm = -67;
    one.zone = Zone::medium;
    one.timestamp = *parse_rfc3339("2026-11-22T06:30:09.412Z");
    one.count = 31;
    batch.detections.push_back(one);
    one.count.reset();
    one.details = R"({"rssi_min":-70,"beacon":{"a":1}})";
    batch.detections.push_back(one);
    return batch;
}

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("a batch is printed in the order of the manual") {
    const std::string one = R"({"device_hash":")" + hash_a +
                            R"(","rssi":-67,"zone":"medium","timestamp":"2026-11-22T06:30:09.412Z")";
    CHECK(
        print_batch(full_batch()) ==
        R"({"format":1,"device_id":"pi-lab-1","name":"Lab","location":"2nd \"floor\" \\","version":"0.1.0","timestamp":"2026-11-22T06:30:10.000Z",)"
        R"("run_id":"9f2c41d07a6be813","seq":412,"window_ms":10000,"interval_ms":30000,"clock":"synced",)"
        R"("hash_id":"sha256","detections":[)" +
            one + R"(,"count":31},)" + one + R"(,"rssi_min":-70,"beacon":{"a":1}}]})");
    Batch bare;
    bare.device_id = "pi-1";
    CHECK(print_batch(bare) == R"({"format":1,"device_id":"pi-1","detections":[]})");
}

TEST_CASE("counts stand before the detections, and are read again") {
    Batch counts;
    counts.device_id = "pi-1";
    counts.occupancy = {3, 0, 12};
    const std::string line =
        R"({"format":1,"device_id":"pi-1","occupancy":{"near":3,"medium":0,"far":12},"detections":[]})";
    CHECK(print_batch(counts) == line);
    CHECK(print_batch(parse_good(line).batch) == line);
    counts.detections = full_batch().detections;
    CHECK(parse_good(print_batch(counts)).batch.detections.size() == 2);
}

TEST_CASE("what is printed is what is read again") {
    const std::string line = print_batch(full_batch());
    CHECK(print_batch(parse_good(line).batch) == line);
    const std::string gap = print_gap({"pi-1", "run \"1\"", 3, 9007199254740991, "buffer_full"});
    CHECK(
        gap ==
        R"({"format":1,"device_id":"pi-1","run_id":"run \"1\"","gap":{"from_seq":3,"to_seq":9007199254740991,"reason":"buffer_full"}})");
    CHECK(print_gap(std::get<Gap>(parse(gap))) == gap);
    Gap lost = gap_for(full_batch(), "refused");
    lost.lost.clock_synced = false;
    CHECK(
        print_gap(lost) ==
        R"({"format":1,"device_id":"pi-lab-1","run_id":"9f2c41d07a6be813","gap":{"from_seq":412,"to_seq":412,"reason":"refused",)"
        R"("from":"2026-11-22T06:30:00.000Z","to":"2026-11-22T06:30:10.000Z","clock":"unsynced"}})");
    CHECK(print_gap(std::get<Gap>(parse(print_gap(lost)))) == print_gap(lost));
}

TEST_CASE("printed text is JSON whatever the bytes") {
    CHECK(quoted("plain") == "\"plain\"");
    CHECK(quoted(std::string_view("\0\x01\x1f\x7f\"\\/\b\f\n\r\t", 12)) ==
          R"("\u0000\u0001\u001f\u007f\"\\/\b\f\n\r\t")");
    CHECK(quoted("a\xff\"\xc3\xa4\xe2\x82") == "\"a\xef\xbf\xbd\\\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"");
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            Batch batch = full_batch();
            batch.name = {static_cast<char>(first), static_cast<char>(second), '\xa0', '\x80'};
            REQUIRE(refusal(print_batch(batch)).empty());
        }
    }
}

TEST_CASE("events carry the line's bytes") {
    CHECK(detection_event(R"({ "a":1 })") == R"({"type":"detection_event","data":{ "a":1 }})");
    CHECK(gap_event("{}") == R"({"type":"gap_event","data":{}})");
    CHECK(two_at_once_event({"pi-\"1", {"one", "two"}, *parse_rfc3339("2026-11-22T06:30:10Z")}) ==
          R"({"type":"two_at_once_event","data":{"device_id":"pi-\"1","run_ids":["one","two"],)"
          R"("timestamp":"2026-11-22T06:30:10.000Z"}})");
    CHECK(stats_update("{}") == R"({"type":"stats_update","data":{}})");
    CHECK(lagged(17) == R"({"type":"lagged","data":{"missed":17}})");
    CHECK(
        connection_status("connected", 3, *parse_rfc3339("2026-11-22T06:30:10Z")) ==
        R"({"type":"connection_status","data":{"status":"connected","clients":3,"timestamp":"2026-11-22T06:30:10.000Z"}})");
    CHECK(connection_status("connected", 1, *parse_rfc3339("2026-11-22T06:30:10Z"), true)
              .ends_with(R"("timestamp":"2026-11-22T06:30:10.000Z","history":true}})"));
    CHECK(detection_event(full_batch()) ==
          R"({"type":"detection_event","data":)" + print_batch(full_batch()) + "}");
}

TEST_CASE("a batch that grows when it is printed anew becomes several events, none too long") {
    Batch batch = full_batch();
    const auto one = batch.detections[0];
    batch.detections.clear();
    for (std::uint32_t i = 0; i < 5000; ++i)
        batch.detections.push_back(one), batch.detections.back().count = i;
    const auto events = detection_events(batch);
    CHECK(events.size() > 1);
    EventReader reader;
    std::size_t detections = 0;
    for (const auto &event : events) {
        const auto seen = reader.read(event);
        REQUIRE(seen);
        detections += seen->detections->size();
    }
    CHECK(detections == batch.detections.size());
    CHECK(detection_events(full_batch()) == std::vector<std::string>{detection_event(full_batch())});
}

TEST_CASE("replies have the members that clients of the first implementation read") {
    CHECK(stored_body("pi-\"1", 1) == R"({"message":"Stored 1 detection","device_id":"pi-\"1","count":1})");
    CHECK(stored_body("pi-1", 0) == R"({"message":"Stored 0 detections","device_id":"pi-1","count":0})");
    CHECK(error_body("no\n") == R"({"detail":"no\n"})");
    CHECK(health_body("blerecv").find(R"({"status":"healthy","service":"blerecv","version":")") == 0);
    CHECK(health_body("blerecv", "stalled").find(R"("status":"unhealthy")") == 1);
}
