#include "batch/topic.hpp"

#include "catch.hpp"

using namespace ble;

namespace {

std::string batch(const std::string &device_id) {
    return R"({"device_id":")" + device_id + R"(","run_id":"aa","seq":1,"detections":[]})";
}

}  // namespace

TEST_CASE("what can be one level of a topic") {
    for (const auto *text : {"pi-lab-1", "a b", "$f", "a.b", "~"}) CHECK(is_topic_level(text));
    for (const auto *text : {"", "a/b", "+", "pi+", "#", "a\nb", "\x7f", "k\xc3\xbc"})
        CHECK_FALSE(is_topic_level(text));
    CHECK(last_level("tfg/detections/raw/pi-1") == "pi-1");
    CHECK(last_level("raw") == "raw");
    CHECK(last_level("raw/").empty());
}

TEST_CASE("a topic for all is that of whatever comes") {
    TopicPattern topic("tfg/detections/raw");
    CHECK(topic.of(batch("pi-lab-1")) == "tfg/detections/raw");
    CHECK(topic.of("not JSON") == "tfg/detections/raw");
}

TEST_CASE("a topic for each device has its device_id, of batches, gap lines and messages of several") {
    TopicPattern topic("a/{device_id}/b");
    CHECK(topic.of(batch("pi-lab-1")) == "a/pi-lab-1/b");
    CHECK(topic.of(print_gap({"pi-lab-2", "aa", 3, 9, "buffer_full"})) == "a/pi-lab-2/b");
    CHECK(topic.of(batch("pi-lab-3") + "\n" + batch("pi-lab-3")) == "a/pi-lab-3/b");
}

TEST_CASE("a topic for each shard has the first digit of the SHA-256 of the device_id") {
    CHECK(shard_of("pi-lab-1") == 'c');
    CHECK(shard_of("pi-lab-2") == 'a');
    TopicPattern both("a/{shard}/{device_id}"), shard("a/{shard}");
    CHECK(both.of(batch("pi-lab-1")) == "a/c/pi-lab-1");
    CHECK(both.of(print_gap({"pi-lab-2", "aa", 3, 9, "buffer_full"})) == "a/a/pi-lab-2");
    CHECK_FALSE(both.of(batch("pi/1")));
    CHECK(shard.of(batch("pi/1")) == "a/f");
    CHECK_FALSE(shard.of("{}"));
}

TEST_CASE("shards are named one by one and in ranges") {
    CHECK(parse_shards("0-f") == all_shards);
    CHECK(parse_shards("a,0-2,1,f") == "012af");
    CHECK(parse_shards("7-7") == "7");
    for (const auto *text : {"", ",", "0,", "g", "F", "3-1", "0-", "-1", "0--1", "10", "0 1", "0-4-8"})
        CHECK(parse_shards(text).empty());
}

TEST_CASE("a device_id that cannot be a level has no topic, nor has what is no batch") {
    TopicPattern topic("a/{device_id}");
    for (const auto *device : {"pi/1", "pi+1", "#pi", "pi\\u0085x",
                               "k\xc3\xbc"
                               "che"})
        CHECK_FALSE(topic.of(batch(device)));
    CHECK_FALSE(topic.of("{}"));
    CHECK_FALSE(topic.of(""));
}
