#include "catch.hpp"

#include "server/event_ring.hpp"

using ble::EventRing;
using ble::make_frame;
using ble::text_of;

TEST_CASE("a frame has room before its text") {
    const ble::Frame frame = make_frame("abc");
    CHECK(text_of(frame) == "abc");
    CHECK(frame->size() == ble::frame_padding + 3);
    CHECK(text_of(make_frame("")).empty());
}

TEST_CASE("the ring is bounded by count and by bytes and always takes one event") {
    EventRing ring(3, 10);
    CHECK_FALSE(ring.full_for(1000));
    for (const char *text : {"a", "b", "c"}) {
        CHECK_FALSE(ring.full_for(1));
        ring.push(make_frame(text));
    }
    CHECK(ring.full_for(1));
    ring.pop();
    CHECK_FALSE(ring.full_for(8));
    CHECK(ring.full_for(9));
    CHECK(ring.bytes() == 2);
}

TEST_CASE("positions are never used twice") {
    EventRing ring(2, 100);
    CHECK(ring.begin() == ring.end());
    const auto first = ring.end();
    ring.push(make_frame("a"));
    ring.push(make_frame("b"));
    CHECK(text_of(ring.at(first)) == "a");
    ring.pop();
    CHECK(ring.begin() == first + 1);
    CHECK(text_of(ring.at(first + 1)) == "b");
    ring.pop();
    CHECK(ring.end() == first + 2);
    CHECK(ring.bytes() == 0);
}
