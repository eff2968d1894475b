#include "base/limits.hpp"
#include "batch/event.hpp"
#include "batch/subscribe.hpp"
#include "catch.hpp"

#include <map>
#include "samples.hpp"

using namespace ble;

TEST_CASE("a full batch is read member by member") {
    const auto parsed = parse_good(
        R"({"format":1,"device_id":"pi-lab-1","name":"Lab","location":"2nd floor","version":"0.1.0","timestamp":"2026-11-22T06:30:10.000Z",)"
        R"("run_id":"9f2c41d07a6be813","seq":412,"window_ms":10000,"interval_ms":30000,"clock":"synced",)"
        R"("hash_id":"a41c09d2","detections":[)" +
        detection(hash_a, "-67", R"(,"count":31)") + "]}");
    const Batch &batch = parsed.batch;
    CHECK(parsed.rejected.empty());
    CHECK(batch.device_id == "pi-lab-1");
    CHECK(batch.name == "Lab");
    CHECK(batch.location == "2nd floor");
    CHECK(batch.version == "0.1.0");
    CHECK(format_us(*batch.timestamp) == "2026-11-22T06:30:10.000000Z");
    CHECK(batch.position->run_id == "9f2c41d07a6be813");
    CHECK(batch.position->seq == 412);
    CHECK(batch.window_ms == 10000u);
    CHECK(batch.interval_ms == 30000u);
    CHECK(batch.clock_synced == true);
    CHECK(batch.hash_id == "a41c09d2");
    REQUIRE(batch.detections.size() == 1);
    const Detection &one = batch.detections[0];
    CHECK(one.device_hash.text() == hash_a);
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
    CHECK_FALSE(parsed.batch.version);
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
    CHECK(parsed.batch.detections[1].device_hash.text() == hash_b);
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
    CHECK(parse_good(batch_line(detection(std::string(64, 'A'), "-67")))
              .batch.detections.at(0)
              .device_hash.text() == hash_a);
}

TEST_CASE("a line with two members of one name is taken by no reader") {
    EventReader reader;
    const std::string gap =
        R"({"device_id":"pi-1","run_id":"r","gap":{"from_seq":3,"to_seq":3,"reason":"x"MORE}})";
    const auto with = [](std::string text, const std::string &more) {
        return text.replace(text.find("MORE"), 4, more);
    };
    const std::string counts = R"(,"occupancy":{"near":1,"medium":1,"far":1MORE})";
    std::string many, some;
    for (int i = 0; i < 40; ++i) many += ",\"m" + std::to_string(i) + "\":0";
    for (int i = 0; i < 10; ++i) some += ",\"m" + std::to_string(i) + "\":0";
    for (const auto &[line, reason] : std::vector<std::pair<std::string, std::string>>{
             {batch_line("", R"(,"device_id":"other")"), "member twice: device_id"},
             {batch_line("", R"(,"x":1,"y":2,"x":1)"), "member twice: x"},
             {batch_line("", R"(,"name":null,"name":"Lab")"), "member twice: name"},
             {batch_line("", R"(,"x":1,"\u0078":1)"), "member twice: x"},
             {batch_line("", R"(,"":1,"":1)"), "member twice: "},
             {batch_line("", R"(,"\u001b[2J":1,"\u001b[2J":1)"), "member twice: \\x1b[2J"},
             {batch_line("", R"(,"detections":[])"), "member twice: detections"},
             {batch_line("", many + R"(,"m17":0)"), "member twice: m17"},
             {batch_line(detection(hash_a, "-67", R"(,"rssi":-10)")), "detections[0]: member twice: rssi"},
             {batch_line(detection(hash_a, "-67") + "," + detection(hash_a, "-67", R"(,"a":1,"a":2)")),
              "detections[1]: member twice: a"},
             {batch_line(detection(hash_a, "-67", many + R"(,"m39":0)")), "detections[0]: member twice: m39"},
             {batch_line("", with(counts, R"(,"near":1)")), "occupancy: member twice: near"},
             {batch_line("", with(counts, R"(,"x":1,"x":1)")), "occupancy: member twice: x"},
             {with(gap, R"(,"to_seq":3)"), "gap: member twice: to_seq"},
             {with(gap, R"(,"x":3,"x":3)"), "gap: member twice: x"}}) {
        INFO(line);
        CHECK(refusal(line) == reason);
        CHECK_FALSE(reader.read(detection_event(line)));
    }
    // One name in two objects, and twice in one that nobody reads, is nobody's concern.
    for (const std::string &line :
         {batch_line(detection(hash_a, "-67", some) + "," + detection(hash_a, "-67", many), many),
          with(gap, many), batch_line("", with(counts, some)), batch_line("", R"(,"x":{"a":1,"a":2})")}) {
        INFO(line);
        CHECK(refusal(line).empty());
        CHECK(reader.read(detection_event(line)));
    }
    CHECK_FALSE(reader.read(R"({"type":"x","type":"y"})"));
    CHECK_FALSE(reader.read(R"({"type":"x","data":{},"data":{}})"));
}

TEST_CASE("a line with two members of one name is said to be missing when its name is not in doubt") {
    const auto hole = [](const std::string &members) {
        return std::get<InvalidLine>(parse(batch_line("", R"(,"run_id":"r","seq":7)" + members))).hole;
    };
    CHECK(hole(R"(,"x":1,"x":1)"));
    CHECK(hole(R"(,"clock":"synced","clock":"synced")"));
    for (const char *name : {R"(,"seq":7)", R"(,"run_id":"r")", R"(,"device_id":"pi-lab-1")"})
        CHECK_FALSE(hole(name));
}

TEST_CASE("many members cost no more than their number") {
    std::string many;
    for (int i = 0; many.size() < 400'000; ++i) many += ",\"" + std::to_string(i) + "\":0";
    CHECK(refusal(batch_line("", many)).empty());
    CHECK(refusal(batch_line(detection(hash_a, "-67", many))).empty());
    CHECK(refusal(batch_line("", many + ",\"5\":0")) == "member twice: 5");
}

TEST_CASE("a name that breaks the rules is left out, an identifier that does refuses the line") {
    const std::string umlauts = [] {
        std::string text;
        for (int i = 0; i < 200; ++i) text += "ü";
        return text;
    }();
    const auto left_out = [](const std::string &member, const std::string &value) {
        const auto parsed = parse_good(batch_line("", ",\"" + member + "\":\"" + value + "\""));
        CHECK(parsed.whole() == parsed.left_out.empty());
        const auto &kept = member == "name"      ? parsed.batch.name
                           : member == "version" ? parsed.batch.version
                                                 : parsed.batch.location;
        CHECK(kept.has_value() == parsed.whole());
        return parsed.left_out.empty() ? "" : parsed.left_out.at(0);
    };
    CHECK(left_out("name", umlauts.substr(0, 200)).empty());
    CHECK(left_out("name", umlauts.substr(0, 202)) == "name: longer than 100 characters");
    CHECK(left_out("location", umlauts).empty());
    CHECK(left_out("location", umlauts + "x") == "location: longer than 200 characters");
    CHECK(left_out("name", "").empty());
    CHECK(left_out("version", std::string(64, '1')).empty());
    const auto number = parse_good(batch_line("", R"(,"version":2)"));  // as other programs may have it
    CHECK(number.left_out == std::vector<std::string>{"version: not a string"});
    CHECK_FALSE(number.batch.version);
    CHECK(left_out("version", std::string(65, '1')) == "version: longer than 64 characters");
    CHECK(left_out("name", "a \\\" \\\\ \u00a0 \u2027 \u200d \u065f").empty());
    const std::string control = "holds a control character", line = "holds a line separator",
                      direction = "holds a character that changes the writing direction";
    for (const auto &[text, why] : std::vector<std::pair<std::string, std::string>>{{"\\u0000", control},
                                                                                    {"\\n", control},
                                                                                    {"\\u001b[31m", control},
                                                                                    {"\x7f", control},
                                                                                    {"\\u0080", control},
                                                                                    {"\u009b2J", control},
                                                                                    {"\u009f", control},
                                                                                    {"\u2028", line},
                                                                                    {"\\u2029", line},
                                                                                    {"\u061c", direction},
                                                                                    {"\u200e", direction},
                                                                                    {"\u200f", direction},
                                                                                    {"\u202a", direction},
                                                                                    {"\u202e", direction},
                                                                                    {"\u2066", direction},
                                                                                    {"\u2069", direction}}) {
        INFO(text);
        CHECK(left_out("name", "a" + text) == "name: " + why);
        CHECK(left_out("location", text + "b") == "location: " + why);
        CHECK(left_out("version", text + "1") == "version: " + why);
        CHECK(refusal(R"({"device_id":"pi-)" + text + R"(","detections":[]})") == "device_id: " + why);
        CHECK(refusal(batch_line("", R"(,"seq":1,"run_id":"r)" + text + "\"")) == "run_id: " + why);
        CHECK(refusal(batch_line("", R"(,"hash_id":"h)" + text + "\"")) == "hash_id: " + why);
        CHECK(refusal(R"({"device_id":"pi-1","run_id":"r","gap":{"from_seq":3,"to_seq":3,"reason":")" + text +
                      "\"}}") == "reason: " + why);
    }
}

TEST_CASE("details hold nothing that does something where it is shown") {
    const auto details = [](const std::string &members) {
        return parse_good(batch_line(detection(hash_a, "-67", members))).batch.detections.at(0).details;
    };
    CHECK(details(",\"a\x7f\":\"\u0085x\u009b\"") == R"({"a\u007f":"\u0085x\u009b"})");
    CHECK(details(",\"a\":[{\"\u009d\":\"\u202e\u2028\u061c\"}]") ==
          R"({"a":[{"\u009d":"\u202e\u2028\u061c"}]})");
    CHECK(details(",\"a\":\"\\u001b\\n\\\"ü€\U0001f600\u00a0\"") ==
          "{\"a\":\"\\u001b\\n\\\"ü€\U0001f600\u00a0\"}");
}

TEST_CASE("a refused line tells whose it is") {
    const auto from = [](const std::string &line) { return std::get<InvalidLine>(parse(line)).from; };
    CHECK(from(batch_line("", R"(,"clock":1)")) == "pi-lab-1");
    CHECK(from(batch_line("", R"(,"clock":1,"sender":"key pi-9")")) == "key pi-9");
    CHECK(from(R"({"device_id":"x","clock":1,"detections":[]})").empty());
    CHECK(from(R"({"device_id":"pi-1","run_id":"r","gap":7})") == "pi-1");
    CHECK(from("{").empty());
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
    CHECK(gap.lost == Span());
    CHECK(with_gap("[]") == "gap: not an object");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3,"reason":"x","from":7})") == "from: not a string");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3,"reason":"x","to":"today"})") ==
          "to: not an RFC 3339 date and time");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3,"reason":"x","clock":"right"})") ==
          "clock: not synced or unsynced");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3,"reason":"x","from":null,"to":null,"clock":null,"new":[1]})")
              .empty());
    CHECK(with_gap(R"({"from_seq":3,"to_seq":2,"reason":"x"})") == "to_seq: before from_seq");
    CHECK(with_gap(R"({"from_seq":3,"to_seq":3})") == "reason: absent");
    CHECK(refusal(R"({"device_id":"pi-1","gap":{"from_seq":3,"to_seq":3,"reason":"x"}})") ==
          "run_id: absent");
    CHECK(refusal(batch_line("", R"(,"run_id":"r","gap":{"from_seq":3,"to_seq":3,"reason":"x"})")) ==
          "gap: a line with a gap cannot have detections too");
}

TEST_CASE("a gap line tells when what it names was") {
    const auto lost = [](const std::string &members) {
        return std::get<Gap>(
                   parse(R"({"device_id":"pi-1","run_id":"r","gap":{"from_seq":3,"to_seq":7,"reason":"x")" +
                         members + "}}"))
            .lost;
    };
    const auto from = parse_rfc3339("2026-11-22T06:30:00Z"), to = parse_rfc3339("2026-11-22T06:31:00.5Z");
    CHECK(lost(R"(,"from":"2026-11-22T06:30:00Z","to":"2026-11-22T07:31:00.5+01:00","clock":"synced")") ==
          Span{from, to, true});
    CHECK(lost(R"(,"to":"2026-11-22T06:31:00.5Z")") == Span{{}, to, {}});
    // As by a clock that was set back in between.
    CHECK(lost(R"(,"from":"2026-11-22T06:31:00.5Z","to":"2026-11-22T06:30:00Z","clock":"unsynced")") ==
          Span{to, from, false});
}

TEST_CASE("of a batch that is refused the hole is known, and when it was") {
    const std::string position =
        R"(,"run_id":"r","seq":7,"timestamp":"2026-11-22T06:30:10Z","window_ms":10000)";
    const auto hole = [&](const std::string &members) {
        return std::get<InvalidLine>(parse(batch_line("", position + members))).hole.value().lost;
    };
    const auto end = parse_rfc3339("2026-11-22T06:30:10Z");
    const auto begin = *end - std::chrono::seconds(10);
    CHECK(hole(R"(,"clock":"synced","hash_id":7)") == Span{begin, end, true});
    CHECK(hole(R"(,"clock":"unsynced","interval_ms":-1)") == Span{begin, end, false});
    CHECK(hole(R"(,"clock":"fast")") == Span{begin, end, {}});
    const auto untold =
        parse(batch_line("", R"(,"run_id":"r","seq":7,"timestamp":"2026-11-22T06:30:10Z","window_ms":-1)"));
    CHECK(std::get<InvalidLine>(untold).hole.value().lost == Span());
    Batch early;
    early.timestamp = Time(std::chrono::seconds(3));
    early.window_ms = 10'000;
    CHECK(window_of(early) == Span{Time{}, early.timestamp, {}});  // a line has no years before 1970
    early.timestamp.reset();
    CHECK(window_of(early) == Span());
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
