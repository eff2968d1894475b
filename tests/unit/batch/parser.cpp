#include "base/limits.hpp"
#include "catch.hpp"

#include <map>
#include "samples.hpp"

using namespace ble;

TEST_CASE("a full batch is read member by member") {
    const auto parsed = parse_good(
        R"({"format":1,"device_id":"pi-lab-1","name":"Lab","location":"2nd floor","timestamp":"2026-11-22T06:30:10.000Z",)"
        R"("run_id":"9f2c41d07a6be813","seq":412,"window_ms":10000,"interval_ms":30000,"clock":"synced",)"
        R"("hash_id":"a41c09d2","detections":[)" +
        detection(hash_a, "-67", R"(,"count":31)") + "]}");
    const Batch &batch = parsed.batch;
    CHECK(parsed.rejected.empty());
    CHECK(batch.device_id == "pi-lab-1");
    CHECK(batch.name == "Lab");
    CHECK(batch.location == "2nd floor");
    CHECK(format_us(*batch.timestamp) == "2026-11-22T06:30:10.000000Z");
    CHECK(batch.position->run_id == "9f2c41d07a6be813");
    CHECK(batch.position->seq == 412);
    CHECK(batch.window_ms == 10000u);
    CHECK(batch.interval_ms == 30000u);
    CHECK(batch.clock_synced == true);
    CHECK(batch.hash_id == "a41c09d2");
    REQUIRE(batch.detections.size() == 1);
    const Detection &one = batch.detections[0];
    CHECK(one.device_hash == hash_a);
    CHECK(one.rssi_dbm == -67);
    CHECK(one.zone == Zone::medium);
    CHECK(format_us(one.timestamp) == "2026-11-22T06:30:09.412000Z");
    CHECK(one.count == 31u);
    CHECK(one.details.empty());
}

TEST_CASE("a batch of the first implementation needs no members of ours") {
    const auto parsed = parse_good(
        R"({"device_id": "pi-1", "timestamp": "2026-11-22T06:30:10.123456", "detections": [{"device_hash": ")" +
        hash_a +
        R"(", "rssi": -40, "zone": "near", "timestamp": "2026-11-22T06:30:09.5+01:00"}], "name": null, "location": null})");
    CHECK_FALSE(parsed.batch.position);
    CHECK_FALSE(parsed.batch.name);
    CHECK(format_us(*parsed.batch.timestamp) == "2026-11-22T06:30:10.123456Z");
    CHECK(format_us(parsed.batch.detections.at(0).timestamp) == "2026-11-22T05:30:09.500000Z");
}

TEST_CASE("an empty room is a batch") {
    CHECK(parse_good(batch_line("")).batch.detections.empty());
}

TEST_CASE("members that are not known are ignored in a batch and kept in a detection") {
    const auto parsed = parse_good(batch_line(
        detection(hash_a, "-67", R"(,"beacon":{"uuid":[1,2.5,true,"\n"]},"local_name":"Küche","x":null)"),
        R"(,"future":{"deep":[1]})"));
    CHECK(parsed.batch.detections.at(0).details ==
          R"({"beacon":{"uuid":[1,2.5,true,"\n"]},"local_name":"Küche","x":null})");
}

TEST_CASE("an invalid detection is rejected alone") {
    const auto parsed =
        parse_good(batch_line(detection(hash_a, "-67") + ",7," + detection("short", "-67") + "," +
                              detection(hash_b, "-300") + "," + detection(hash_b, "-60")));
    REQUIRE(parsed.batch.detections.size() == 2);
    CHECK(parsed.batch.detections[1].device_hash == hash_b);
    REQUIRE(parsed.rejected.size() == 3);
    CHECK(parsed.rejected[0].index == 1);
    CHECK(parsed.rejected[0].reason == "not an object");
    CHECK(parsed.rejected[1].reason == "device_hash: not 64 hexadecimal digits");
    CHECK(parsed.rejected[2].index == 3);
    CHECK(parsed.rejected[2].reason == "rssi: not in -127 to 20");
}

TEST_CASE("each member of a detection is checked") {
    CHECK(detection_refusal(detection(hash_a, "-127")).empty());
    CHECK(detection_refusal(detection(hash_a, "20")).empty());
    CHECK(detection_refusal(detection(hash_a, "-67.0")).empty());
    CHECK(detection_refusal(detection(hash_a, "-67.5")) == "rssi: not an integer");
    CHECK(detection_refusal(detection(hash_a, "1e300")) == "rssi: not an integer");
    CHECK(detection_refusal(detection(hash_a, "\"-67\"")) == "rssi: not an integer");
    CHECK(detection_refusal(detection(hash_a, "21")) == "rssi: not in -127 to 20");
    CHECK(detection_refusal(detection(hash_a, "-9223372036854775808")) == "rssi: not in -127 to 20");
    CHECK(detection_refusal(detection(hash_a, "null")) == "rssi: absent");
    CHECK(detection_refusal(detection(hash_a, "-67", R"(,"count":-1)")) == "count: not in 0 to 4294967295");
    CHECK(detection_refusal(detection(hash_a, "-67", R"(,"count":null)")).empty());
    CHECK(detection_refusal(detection(std::string(64, 'g'), "-67")) ==
          "device_hash: not 64 hexadecimal digits");
    CHECK(detection_refusal(R"({"device_hash":")" + hash_a +
                            R"(","rssi":-1,"zone":"there","timestamp":"2026-11-22T06:30:09Z"})") ==
          "zone: not near, medium or far");
    CHECK(detection_refusal(R"({"device_hash":")" + hash_a +
                            R"(","rssi":-1,"zone":"far","timestamp":"yesterday"})") ==
          "timestamp: not an RFC 3339 date and time");
    CHECK(detection_refusal("{}") == "device_hash: absent");
}

TEST_CASE("a hash in capitals is the same hash") {
    CHECK(parse_good(batch_line(detection(std::string(64, 'A'), "-67"))).batch.detections.at(0).device_hash ==
          hash_a);
}

TEST_CASE("of duplicate members the first counts") {
    const auto parsed =
        parse_good(batch_line(detection(hash_a, "-67", R"(,"rssi":-10)"), R"(,"device_id":"other")"));
    CHECK(parsed.batch.device_id == "pi-lab-1");
    CHECK(parsed.batch.detections.at(0).rssi_dbm == -67);
    CHECK(parsed.batch.detections.at(0).details.empty());
}

TEST_CASE("a line is refused with a reason that names the member") {
    CHECK(refusal("") == "empty");
    CHECK(refusal("[]") == "not a JSON object");
    CHECK(refusal("7") == "not a JSON object");
    CHECK(refusal("{}") == "device_id: absent");
    CHECK(refusal(R"({"device_id":"ab","detections":[]})") == "device_id: shorter than 3 characters");
    CHECK(refusal(R"({"device_id":"äöü","detections":[]})").empty());
    CHECK(refusal(R"({"device_id":")" + std::string(51, 'x') + R"(","detections":[]})") ==
          "device_id: longer than 50 characters");
    CHECK(refusal(R"({"device_id":"a\u0000bc","detections":[]})") == "device_id: holds a control character");
    CHECK(refusal(R"({"device_id":17,"detections":[]})") == "device_id: not a string");
    CHECK(refusal(R"({"device_id":"pi-1"})") == "detections: absent");
    CHECK(refusal(R"({"device_id":"pi-1","detections":{}})") == "detections: not an array");
    CHECK(refusal(batch_line("", R"(,"format":2)")) == "format: 2 needs a newer blepipe than this one");
    CHECK(refusal(batch_line("", R"(,"format":"1")")) == "format: not an integer");
    CHECK(refusal(batch_line("", R"(,"run_id":"r")")) == "seq: absent");
    CHECK(refusal(batch_line("", R"(,"seq":1)")) == "run_id: absent");
    CHECK(refusal(batch_line("", R"(,"run_id":"r","seq":-1)")) == "seq: not in 0 to 9007199254740991");
    CHECK(refusal(batch_line("", R"(,"run_id":"r","seq":18446744073709551615)")) == "seq: not an integer");
    CHECK(refusal(batch_line("", R"(,"name":5)")) == "name: not a string");
    CHECK(refusal(batch_line("", R"(,"timestamp":1732257010)")) == "timestamp: not a string");
    CHECK(refusal(batch_line("", R"(,"timestamp":"soon")")) == "timestamp: not an RFC 3339 date and time");
    CHECK(refusal(batch_line("", R"(,"window_ms":1.5)")) == "window_ms: not an integer");
    CHECK(refusal(batch_line("", R"(,"clock":"fast")")) == "clock: not synced or unsynced");
    CHECK(refusal(std::string(max_line + 1, ' ')) == "longer than 512000 bytes");
}

TEST_CASE("of a refused batch that can be named it is told what is missing without it") {
    const auto hole = [](const std::string &line) { return std::get<InvalidLine>(parse(line)).hole; };
    for (const std::string bad :
         {R"("format":2)", R"("location":5)", R"("clock":"fast")", R"("window_ms":-1)"}) {
        const auto found = hole(batch_line("", R"(,"run_id":"r","seq":7,)" + bad));
        REQUIRE(found);
        CHECK(print_gap(*found) == print_gap({"pi-lab-1", "r", 7, 7, "rejected"}));
    }
    CHECK(hole(R"({"device_id":"pi-1","run_id":"r","seq":7})"));
    CHECK_FALSE(hole(batch_line("", R"(,"clock":"fast")")));
    CHECK_FALSE(hole(batch_line("", R"(,"run_id":"r","seq":-7)")));
    CHECK_FALSE(hole(R"({"device_id":"x","run_id":"r","seq":7})"));
    CHECK_FALSE(
        hole(R"({"device_id":"pi-1","run_id":"r","seq":7,"gap":{"from_seq":3,"to_seq":1,"reason":"x"}})"));
    CHECK_FALSE(hole("{"));
}

TEST_CASE("null in an optional member is the same as its absence") {
    const auto parsed = parse_good(batch_line(
        "",
        R"(,"format":null,"run_id":null,"seq":null,"timestamp":null,"clock":null,"hash_id":null,"gap":null)"));
    CHECK_FALSE(parsed.batch.position);
    CHECK_FALSE(parsed.batch.clock_synced);
}

TEST_CASE("gap lines") {
    const auto parsed = parse(
        R"({"format":1,"device_id":"pi-1","run_id":"r","gap":{"from_seq":3,"to_seq":7,"reason":"buffer_full"}})");
    const Gap &gap = std::get<Gap>(parsed);
    CHECK(gap.device_id == "pi-1");
    CHECK(gap.run_id == "r");
    CHECK(gap.from_seq == 3);
    CHECK(gap.to_seq == 7);
    CHECK(gap.reason == "buffer_full");
    const auto with_gap = [](const std::string &text) {
        return refusal(R"({"device_id":"pi-1","run_id":"r","gap":)" + text + "}");
    };
    CHECK(with_gap("[]") == "gap: not an object");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":2,"reason":"x"})") == "to_seq: before from_seq");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3})") == "reason: absent");
    CHECK(refusal(R"({"device_id":"pi-1","gap":{"from_seq":3,"to_seq":3,"reason":"x"}})") ==
          "run_id: absent");
    CHECK(refusal(batch_line("", R"(,"run_id":"r","gap":{"from_seq":3,"to_seq":3,"reason":"x"})")) ==
          "gap: not in one line with detections");
}

TEST_CASE("occupancy has a count for each zone") {
    const auto counted = [](const std::string &value) { return batch_line("", R"(,"occupancy":)" + value); };
    const auto batch = parse_good(counted(R"({"far":1,"new":true,"near":4294967295,"medium":0.0})")).batch;
    REQUIRE(batch.occupancy);
    CHECK(batch.occupancy->near == 4294967295u);
    CHECK(batch.occupancy->medium == 0u);
    CHECK(batch.occupancy->far == 1u);
    CHECK_FALSE(parse_good(counted("null")).batch.occupancy);
    BatchParser parser;
    for (const auto &[value, reason] : std::map<std::string, std::string>{
             {"3", "occupancy: not an object"},
             {R"({"near":1,"far":1})", "occupancy: medium: absent"},
             {R"({"near":-1,"medium":0,"far":0})", "occupancy: near: not in 0 to 4294967295"},
             {R"({"near":1,"medium":"2","far":0})", "occupancy: medium: not an integer"}}) {
        const auto parsed = parser.parse(counted(value));
        const auto *invalid = std::get_if<InvalidLine>(&parsed);
        REQUIRE(invalid);
        CHECK(invalid->reason == reason);
    }
}
