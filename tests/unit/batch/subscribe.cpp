#include "batch/subscribe.hpp"

#include "batch/event.hpp"
#include "catch.hpp"
#include "samples.hpp"

using namespace ble;

namespace {

Subscription filter(const std::string &members) {
    return std::get<Subscription>(parse_subscribe("{\"subscribe\":{" + members + "}}"));
}

std::string refused(const std::string &message) {
    const auto parsed = parse_subscribe(message);
    const auto *reason = std::get_if<std::string>(&parsed);
    return reason ? *reason : "";
}

// What a client with that subscription gets; empty: nothing.
std::string seen(const std::string &members, const std::string &event) {
    EventReader reader;
    const auto view = reader.read(event);
    REQUIRE(view);
    return filter(members).apply(*view).value_or("");
}

const std::string near = detection(hash_a, "-50"), far = detection(hash_b, "-90.0", R"(,"x":{"rssi":[1]})");
const std::string event = detection_event(batch_line(near + " , " + far, R"(,"z":"[{")"));

}  // namespace

TEST_CASE("an empty subscription lets everything pass") {
    CHECK(Subscription().passes_all());
    CHECK(filter("").passes_all());
    CHECK(filter(R"("device_id":[],"device_hash":[],"rssi_min":null)").passes_all());
    CHECK(seen("", event) == event);
}

TEST_CASE("a subscription to Pis passes or holds back whole events") {
    CHECK_FALSE(filter(R"("device_id":["pi-lab-1"])").passes_all());
    CHECK(seen(R"("device_id":["other","pi-lab-1"])", event) == event);
    CHECK(seen(R"("device_id":["other"])", event).empty());
    const std::string hole = gap_event(R"({"device_id":"pi-2","run_id":"r","gap":{}})");
    CHECK(seen(R"("device_id":["pi-2"],"rssi_min":-10)", hole) == hole);
    CHECK(seen(R"("device_id":["pi-1"])", hole).empty());
    CHECK(seen(R"("device_id":["pi-1"])", lagged(3)) == lagged(3));
}

TEST_CASE("an event is cut to the detections that match") {
    const auto only = [](const std::string &text) {
        return detection_event(batch_line(text, R"(,"z":"[{")"));
    };
    CHECK(seen(R"("rssi_min":-60)", event) == only(near));
    CHECK(seen(R"("rssi_min":-90)", event) == event);
    CHECK(seen(R"("rssi_min":-40)", event).empty());
    CHECK(seen(R"("device_hash":[")" + hash_b + "\"]", event) == only(far));
    CHECK(seen(R"("device_hash":[")" + std::string(64, 'A') + "\"]", event) == only(near));
    CHECK(seen(R"("device_hash":[")" + hash_b + R"("],"rssi_min":-60)", event).empty());
    const std::string three = detection_event(batch_line(near + "," + far + "," + near));
    CHECK(seen(R"("rssi_min":-60)", three) == detection_event(batch_line(near + "," + near)));
    const std::string empty_room = detection_event(batch_line(""));
    CHECK(seen(R"("rssi_min":-60)", empty_room).empty());
    CHECK(seen(R"("device_id":["pi-lab-1"])", empty_room) == empty_room);
}

TEST_CASE("a message that is no subscription is refused with a reason") {
    CHECK(refused("") == "not JSON");
    CHECK(refused("hello") == "not JSON");
    CHECK(refused("{}").find("not {\"subscribe\"") == 0);
    CHECK(refused(R"({"subscribe":{},"more":1})").find("not {\"subscribe\"") == 0);
    CHECK(refused(R"({"subscribe":[]})").find("not {\"subscribe\"") == 0);
    CHECK(refused(R"({"subscribe":{"device":[]}})") ==
          "device: not known; use device_id, device_hash or rssi_min");
    CHECK(refused(R"({"subscribe":{"device_id":"pi-1"}})") == "device_id: not an array");
    CHECK(refused(R"({"subscribe":{"device_id":[1]}})") == "device_id: holds something that is no string");
    CHECK(refused(R"({"subscribe":{"device_hash":["abc"]}})") == "device_hash: not 64 hexadecimal digits");
    CHECK(refused(R"({"subscribe":{"rssi_min":-70.5}})") == "rssi_min: not an integer in -127 to 20");
    CHECK(refused(R"({"subscribe":{"rssi_min":99999999999}})") == "rssi_min: not an integer in -127 to 20");
    CHECK(refused(std::string(70000, ' ')) == "longer than 65536 bytes");
    std::string many;
    for (int i = 0; i < 1001; ++i) many += (i ? "," : "") + ("\"" + std::to_string(i) + "\"");
    CHECK(refused(R"({"subscribe":{"device_id":[)" + many + "]}}") == "device_id: more than 1000 values");
}

TEST_CASE("of two members of one name none is taken") {
    CHECK(refused(R"({"subscribe":{"rssi_min":-60,"rssi_min":-90}})") == "member twice: rssi_min");
    CHECK(refused(R"({"subscribe":{"device_id":[],"rssi_min":-60,"device_id":["a"]}})") ==
          "member twice: device_id");
    CHECK(refused(R"({"subscribe":{"rssi_min":-60},"subscribe":{}})") == "member twice: subscribe");
    CHECK(refused(R"({"subscribe":{"device_id":[],"d\u0065vice_id":[]}})") == "member twice: device_id");
    CHECK(refused(R"({"subscribe":{"x":1,"x":1}})") == "member twice: x");
    CHECK(refused(R"({"subscribe":{"\u001b[2J":1,"\u001b[2J":1}})").find('\x1b') == std::string::npos);
    // Others of one name are those of other objects, which are refused for what they are.
    CHECK(refused(R"({"subscribe":{"device_id":[{"a":1},{"a":2}]}})") ==
          "device_id: holds something that is no string");
    CHECK(refused(R"({"subscribe":{"subscribe":{"subscribe":{}}}})").find("subscribe: not known") == 0);
    CHECK(refused(R"({"subscribe":{"a":{"b":{"c":{"d":{"e":1,"e":1}}}}}})").find("a: not known") == 0);
}

TEST_CASE("what is no event is not taken apart") {
    EventReader reader;
    CHECK_FALSE(reader.read(""));
    CHECK_FALSE(reader.read("{}"));
    CHECK_FALSE(reader.read("[1]"));
    CHECK_FALSE(reader.read(R"({"type":"x","data":7})"));
    CHECK_FALSE(reader.read(event.substr(0, event.size() / 2)));
    CHECK_FALSE(reader.read(std::string(max_event + 1, ' ')));
    CHECK(reader.read(R"({"type":"x"})"));
}

TEST_CASE("what is no JSON is no event, wherever the fault is") {
    EventReader reader;
    const std::string head = R"({"type":"detection_event","data":{"device_id":"pi-lab-1","detections":[)";
    CHECK(reader.read(head + R"({"rssi":-22},{"a":[{"b":1}],"c":[2,true]}]}})"));
    // The brackets are as many as they should be, and do not fit.
    CHECK_FALSE(reader.read(head + R"({"rssi":-22},{"a":[{"b":1}],"c[":,2,true]}]}})"));
    CHECK_FALSE(reader.read(head + R"({"rssi":-22,"a":[1}}]}})"));
    CHECK_FALSE(reader.read(head + R"({"rssi":-22,"a":nothing}]}})"));
    CHECK_FALSE(reader.read(R"({"type":"stats_update","data":{},"more":[1}})"));
}
