#include <string>

#include "catch.hpp"
#include "transport/mqtt_disconnect.hpp"

using namespace ble;
using namespace std::string_literals;

TEST_CASE("a DISCONNECT of MQTT 5 says why and where to") {
    const auto said =
        parse_mqtt_disconnect("\xe0\x18\x9c\x16\x11\0\0\0\x01\x1c\0\x05other\x1f\0\x06moving..."s);
    REQUIRE(said);
    CHECK(said->reason == 0x9c);
    CHECK(said->server == "other");
    CHECK(said->words == "moving");
    CHECK(parse_mqtt_disconnect("\xe0\0"s)->reason == 0);
    CHECK(parse_mqtt_disconnect("\xe0\x01\x8e"s)->reason == 0x8e);
    CHECK(parse_mqtt_disconnect("\xe0\x02\x8e\0"s)->words.empty());
    CHECK(parse_mqtt_disconnect("\xe0\x0b\x8e\x09\x26\0\x01k\0\x03val"s)->reason == 0x8e);
}

TEST_CASE("what is cut, unsound or something else says nothing") {
    const std::string whole = "\xe0\x0b\x9c\x09\x1c\0\x06other!"s;
    REQUIRE(parse_mqtt_disconnect(whole)->server == "other!");
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(parse_mqtt_disconnect(whole.substr(0, size)));
    for (const auto &bytes : {"\xd0\0"s, "\xe1\x01\x8e"s, "\xe0\xff\xff\xff\xff\x01"s,
                              "\xe0\x03\x8e\x01\x7f"s, "\xe0\x05\x8e\x03\x1f\0\x09"s, "\xe0\x02\x8e\x05"s})
        CHECK_FALSE(parse_mqtt_disconnect(bytes));
}
