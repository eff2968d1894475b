#include <clocale>

#include "batch/batch_table.hpp"
#include "batch/event_parts.hpp"
#include "batch/shown_text.hpp"
#include "batch/told.hpp"
#include "catch.hpp"

using namespace ble;

namespace {

Batch two() {
    Batch batch;
    batch.device_id = "pi-1";
    batch.timestamp = parse_rfc3339("2026-11-22T06:30:10Z");
    batch.position = RunPosition{"run", 7};
    batch.window_ms = 2500;
    const Time heard = *batch.timestamp - std::chrono::milliseconds(588);
    batch.detections.push_back(
        {DeviceHash(std::string(64, 'a')), -90, Zone::far, heard, {}, R"({"local_name":"\u001b[2Jx"})"});
    batch.detections.push_back({DeviceHash(std::string(64, 'b')), -55, Zone::near, heard, 31, {}});
    return batch;
}

}  // namespace

TEST_CASE("a batch for people: aligned, with units, the strongest first, and harmless") {
    CHECK(print_batch_table(two(), {}) ==
          "06:30:10.000  pi-1  seq 7  window 2.5 s  2 advertisers\n"
          "  bbbbbbbb   -55 dBm  near       31 reports  06:30:09.412\n"
          "  aaaaaaaa   -90 dBm  far                    06:30:09.412  ?[2Jx");
    Batch counted = two();
    counted.detections.clear();
    counted.occupancy = Occupancy{1, 2, 3};
    counted.clock_synced = false;
    CHECK(print_batch_table(counted, {}) ==
          "06:30:10.000  pi-1  seq 7  window 2.5 s  clock unsynced  near 1  medium 2  far 3");
}

TEST_CASE("the name of a Pi takes the room that it shows, not that of its bytes") {
    Batch batch = two();
    batch.device_id = "pi-ä研";
    CHECK(print_batch_table(batch, {}).find("pi-??  seq 7") != std::string::npos);
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(columns_of(batch.device_id, true) == 6);
    CHECK(print_batch_table(batch, {false, true}).find("pi-ä研  seq 7") != std::string::npos);
    std::setlocale(LC_CTYPE, "C");
}

TEST_CASE("a batch for people has colours only where they are wanted") {
    CHECK(print_batch_table(two(), {}).find('\x1b') == std::string::npos);
    CHECK(print_batch_table(two(), {true, false}).find("\x1b[32m -55 dBm  near  \x1b[0m") !=
          std::string::npos);
}

TEST_CASE("what an advertiser says of itself, in short") {
    CHECK(read_told(R"({"local_name":"Lamp","identity":"Ann","company":"Acme"})") == Told{"Ann", "", "Acme"});
    CHECK(read_told(R"({"beacon":{"eddystone_url":{"url":"https://a.b"},"eddystone_tlm":{}}})").beacon ==
          "eddystone_url https://a.b");
    CHECK(read_told(R"({"beacon":{"eddystone_tlm":{"voltage_mv":3000}}})").label() == "eddystone_tlm");
    CHECK(read_told(R"({"beacon":{"altbeacon":{"uuid":"0123456789","major":1,"minor":2}}})").beacon ==
          "altbeacon 01234567 1/2");
    CHECK(read_told(R"({"company":"Acme"})").label() == "Acme");
    for (const char *odd : {"", "{}", "nonsense", "[1]", R"({"beacon":7,"local_name":{},"company":[]})",
                            R"({"beacon":{"ibeacon":"x"}})"})
        CHECK(read_told(odd) == Told{});
    const auto name = read_told(R"({"local_name":")" + std::string(95, 'x') + "\xc3\xb6\xc3\xb6\"}").name;
    CHECK(name == std::string(95, 'x'));  // no half character
}

TEST_CASE("an event is taken apart, and what is none is not") {
    EventSplitter splitter;
    const auto parts = splitter.read(R"( {"data": {"a":[1,{"b":2}]} ,"type":"x"} )");
    REQUIRE(parts);
    CHECK(parts->type == "x");
    CHECK(parts->data == R"({"a":[1,{"b":2}]})");
    CHECK(splitter.read(R"({"type":"x"})")->data.empty());
    for (const char *none : {"", "x", "{}", "[]", R"({"type":5})", R"({"type":"x","data":5})",
                             R"({"type":"x"} {})", R"({"type":"x")"})
        CHECK_FALSE(splitter.read(none));
    CHECK_FALSE(splitter.read(std::string(600'000, 'x')));
}
