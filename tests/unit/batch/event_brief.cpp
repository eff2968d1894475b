#include "batch/event_brief.hpp"

#include "catch.hpp"

using namespace ble;

TEST_CASE("a brief event has the numbers of each zone, and nobody's hash") {
    EventBrief brief;
    const auto text = brief.of(
        R"({"type":"detection_event","data":{"format":1,"device_id":"pi-1","location":"Café","seq":7,"extra":{"big":[1,2]},)"
        R"("detections":[{"device_hash":"aa","zone":"near"},{"device_hash":"bb","zone":"far"},{"device_hash":"cc","zone":"near"},{"zone":3}]}})");
    CHECK(
        text ==
        R"({"type":"detection_event","data":{"format":1,"device_id":"pi-1","location":"Café","seq":7,"occupancy":{"near":2,"medium":0,"far":1}}})");
}

TEST_CASE("of numbers that are told alone, a brief event has those") {
    EventBrief brief;
    const std::string told =
        R"({"type":"detection_event","data":{"device_id":"pi-1","occupancy":{"near":4,"medium":5,"far":6}}})";
    CHECK(brief.of(told) == told);
    CHECK(
        brief.of(R"({"data":{"device_id":"pi-1","occupancy":{"medium":5,"near":4,"x":["long"],"far":6}}})") ==
        told);
}

TEST_CASE("what is no event has no brief one") {
    EventBrief brief;
    for (const char *text :
         {"", "7", "[]", "{}", R"({"type":"detection_event"})", R"({"data":3})", "{\"data\":{"})
        CHECK(brief.of(text) == std::nullopt);
}
