#include "catch.hpp"
#include "transport/event_stream.hpp"

using namespace ble;

TEST_CASE("a stream's bytes become events, however they are cut") {
    const std::string bytes =
        ": hello\nid: 7\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: z\n\ndata\n\nid: 8\ndata: half";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        EventStreamParser parser(100);
        std::vector<std::string> events;
        for (std::size_t at = 0; at < bytes.size(); at += piece)
            parser.take(std::string_view(bytes).substr(at, piece), events);
        CHECK(events == std::vector<std::string>{"{\"a\":1}", "x\ny", ""});
        CHECK(parser.last_id() == "7");  // what is not whole did not come
        parser.begin_anew();
        parser.take("data: new\n\n", events);
        CHECK(events.back() == "new");
    }
}

TEST_CASE("an id is one that can stand in a header, and of an event that came") {
    EventStreamParser parser(5000);
    std::vector<std::string> events;
    parser.take("id: 7\ndata: x\n\n", events);
    parser.take(std::string_view("id: a\0b\ndata: x\n\n", 18), events);
    parser.take("id: " + std::string(2000, '1') + "\ndata: x\n\n", events);
    CHECK(parser.last_id() == "7");
    parser.take("id: 8\ndata: cut off", events);
    parser.begin_anew();
    parser.take("data: x\n\n", events);
    CHECK(parser.last_id() == "7");
    parser.take("id\ndata: x\n\n", events);
    CHECK(parser.last_id().empty());
}

TEST_CASE("an event without end takes bounded memory and is left out") {
    EventStreamParser parser(100);
    std::vector<std::string> events;
    for (int i = 0; i < 1000; ++i) parser.take("data: 0123456789\n", events);
    parser.take("\ndata: " + std::string(500, 'x') + "\n\ndata: good\n\n", events);
    CHECK(events == std::vector<std::string>{"good"});
}
