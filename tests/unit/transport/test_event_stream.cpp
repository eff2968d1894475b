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

TEST_CASE("an event without end takes bounded memory and is left out") {
    EventStreamParser parser(100);
    std::vector<std::string> events;
    for (int i = 0; i < 1000; ++i) parser.take("data: 0123456789\n", events);
    parser.take("\ndata: " + std::string(500, 'x') + "\n\ndata: good\n\n", events);
    CHECK(events == std::vector<std::string>{"good"});
}
