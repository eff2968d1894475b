#include <string>

#include "catch.hpp"
#include "transport/mqtt_disconnect.hpp"

using namespace ble;
using namespace std::string_literals;

TEST_CASE("a DISCONNECT of MQTT 5 says why and where to") {
    const std::string whole = "\xe0\x18\x9c\x16\x11\0\0\0\x01\x1c\0\x05other\x1f\0\x06moving"s;
    const auto said = find_mqtt_disconnect(whole, 0x9c);
    REQUIRE(said);
    CHECK(said->reason == 0x9c);
    CHECK(said->server == "other");
    CHECK(said->words == "moving");
    CHECK(find_mqtt_disconnect("\xe0\0"s, 0));
    CHECK(find_mqtt_disconnect("\xe0\x01\x8e"s, 0x8e));
    CHECK(find_mqtt_disconnect("\xe0\x02\x8e\0"s, 0x8e)->words.empty());
    CHECK(find_mqtt_disconnect("\xe0\x0b\x8e\x09\x26\0\x01k\0\x03val"s, 0x8e));
    const std::string acknowledgements = "\x40\x02\0\x01\x40\x02\xe0\0"s;
    CHECK(find_mqtt_disconnect(acknowledgements + whole, 0x9c)->server == "other");
    CHECK_FALSE(find_mqtt_disconnect(whole + acknowledgements, 0x9c));
    CHECK_FALSE(find_mqtt_disconnect(whole, 0x9d));
}

TEST_CASE("what is cut, unsound or something else says nothing") {
    const std::string whole = "\xe0\x0b\x9c\x09\x1c\0\x06other!"s;
    REQUIRE(find_mqtt_disconnect(whole, 0x9c)->server == "other!");
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(find_mqtt_disconnect(whole.substr(0, size), 0x9c));
    for (const auto &bytes : {"\xd0\0"s, "\xe1\x01\x8e"s, "\xe0\xff\xff\xff\xff\x01"s,
                              "\xe0\x03\x8e\x01\x7f"s, "\xe0\x05\x8e\x03\x1f\0\x09"s, "\xe0\x02\x8e\x05"s})
        for (const int reason : {0, 0x8e}) CHECK_FALSE(find_mqtt_disconnect(bytes, reason));
}
