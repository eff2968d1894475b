#include <string>

#include "base/limits.hpp"
#include "catch.hpp"
#include "server/bulk_body.hpp"

using namespace ble;

namespace {

const std::string hash(64, 'a');

std::string batch(const std::string &device, int detections = 1) {
    std::string out = "{\"device_id\":\"" + device + "\",\"detections\":[";
    for (int i = 0; i < detections; ++i)
        out += (i > 0 ? ",{\"device_hash\":\"" : "{\"device_hash\":\"") + hash +
               "\",\"rssi\":-60,\"zone\":\"near\",\"timestamp\":\"2026-11-22T06:30:09Z\"}";
    return out + "]}";
}

Bulk good(std::string &body, bool ndjson) {
    BatchParser parser;
    auto result = read_bulk(body, ndjson, parser);
    if (const auto *refusal = std::get_if<BulkRefusal>(&result)) FAIL(refusal->reason);
    return std::get<Bulk>(result);
}

BulkRefusal bad(std::string body, bool ndjson, std::string_view only = {}) {
    BatchParser parser;
    auto result = read_bulk(body, ndjson, parser, only);
    REQUIRE(std::holds_alternative<BulkRefusal>(result));
    return std::get<BulkRefusal>(result);
}

}  // namespace

TEST_CASE("one batch is one line, byte for byte") {
    std::string body = batch("pi-1", 2);
    const Bulk bulk = good(body, false);
    REQUIRE(bulk.lines.size() == 1);
    CHECK(bulk.lines[0] == batch("pi-1", 2));
    CHECK(bulk.device_id == "pi-1");
    CHECK(bulk.detections == 2);
    CHECK(bulk.note.empty());
}

TEST_CASE("line breaks of a pretty-printed batch become blanks and those at its end go") {
    std::string body = "{\r\n\"device_id\":\t\"pi-1\",\n\"detections\":[]}\r\n\n ";
    CHECK(good(body, false).lines.at(0) == "{  \"device_id\":\t\"pi-1\", \"detections\":[]}");
}

TEST_CASE("NDJSON is cut at LF; empty lines are skipped, CR at an end of a line goes") {
    std::string body = "\n" + batch("pi-1", 2) + "\r\n \n" + batch("pi-2", 3);
    const Bulk bulk = good(body, true);
    REQUIRE(bulk.lines.size() == 2);
    CHECK(bulk.lines[0] == batch("pi-1", 2));
    CHECK(bulk.lines[1] == batch("pi-2", 3));
    CHECK(bulk.device_id == "pi-1");
    CHECK(bulk.detections == 5);
}

TEST_CASE("a gap line is taken") {
    std::string body =
        R"({"device_id":"pi-1","run_id":"9f2c41d07a6be813","gap":{"from_seq":1,"to_seq":2,"reason":"buffer_full"}})";
    const Bulk bulk = good(body, false);
    CHECK(bulk.device_id == "pi-1");
    CHECK(bulk.detections == 0);
}

TEST_CASE("detections that are not valid are noted and not counted") {
    std::string body = R"({"device_id":"pi-1","detections":[{"rssi":1},{"rssi":2}]})";
    const Bulk bulk = good(body, false);
    CHECK(bulk.lines.size() == 1);
    CHECK(bulk.detections == 0);
    CHECK(std::string(bulk.note).find("pi-1: 2 detections") != std::string::npos);
}

TEST_CASE("what is no JSON is 400 with its position in the body") {
    CHECK(bad("oops", false).status == 400);
    CHECK(std::string(bad("oops", false).reason).find("at byte 0:") != std::string::npos);
    CHECK(std::string(bad("\n\n  ]", false).reason).find("at byte 4:") != std::string::npos);
    CHECK_THAT(bad(batch("pi-1") + "\n]\n", true).reason,
               Catch::Matchers::StartsWith("line 2: not JSON at byte 0:"));
    CHECK(bad("", false).status == 400);
    CHECK(bad(" \r\n ", true).status == 400);
    CHECK(bad(batch("pi-1") + std::string(1, '\0'), false).status == 400);
}

TEST_CASE("JSON that is no batch is 422") {
    CHECK(bad("{}", false).status == 422);
    CHECK(bad("[]", false).status == 422);
    CHECK(bad(batch("pi"), false).status == 422);
    CHECK_THAT(bad(batch("pi-1") + "\n{}", true).reason, Catch::Matchers::StartsWith("line 2: device_id"));
}

TEST_CASE("a line as long as may be is taken, a longer one is 413") {
    std::string longest = batch("pi-1");
    longest.insert(1, max_line - longest.size(), ' ');
    std::string body = longest;
    CHECK(good(body, false).lines.at(0).size() == max_line);
    body = longest + "\n" + longest + "\n";
    CHECK(good(body, true).lines.size() == 2);
    CHECK(bad(longest.insert(1, " "), true).status == 413);
}

TEST_CASE("one line of another device than the key is for refuses the whole body") {
    const std::string gap =
        R"({"format":1,"device_id":"pi-2","run_id":"r1","gap":{"from_seq":1,"to_seq":2,"reason":"full"}})";
    for (const std::string &strange : {batch("pi-2"), gap}) {
        const BulkRefusal refusal = bad(batch("pi-1") + "\n" + strange, true, "pi-1");
        CHECK(refusal.status == 403);
        CHECK_THAT(refusal.reason, Catch::Matchers::StartsWith("line 2: the key is for the device pi-1"));
    }
    BatchParser parser;
    std::string body = gap + "\n" + batch("pi-2");
    CHECK(std::holds_alternative<Bulk>(read_bulk(body, true, parser, "pi-2")));
}

TEST_CASE("a line that says itself who has sent it is refused") {
    std::string line = batch("pi-1");
    line.pop_back();
    CHECK(bad(line + R"(,"sender":"key pi-1"})", false).status == 422);
    CHECK(bad(line + R"(,"sender":""})", false).status == 422);
}
