#include <algorithm>
#include <deque>

#include "catch.hpp"

#include "base/limits.hpp"
#include "server/feed.hpp"

using namespace ble;

namespace {

const std::string hash_a(64, 'a'), hash_b(64, 'b');

std::string batch(const std::string &device, int seq, int rssi = -50, const std::string &hash = hash_a) {
    return R"({"format":1,"device_id":")" + device +
           R"(","timestamp":"2026-11-22T06:30:10.000Z","run_id":"r","seq":)" + std::to_string(seq) +
           R"(,"detections":[{"device_hash":")" + hash + R"(","rssi":)" + std::to_string(rssi) +
           R"(,"zone":"near","timestamp":"2026-11-22T06:30:09.000Z"}]})";
}

std::string event(const std::string &device, int seq, int rssi = -50, const std::string &hash = hash_a) {
    return R"({"type":"detection_event","data":)" + batch(device, seq, rssi, hash) + "}";
}

std::string gap(const std::string &device) {
    return R"({"format":1,"device_id":")" + device +
           R"(","run_id":"r","gap":{"from_seq":1,"to_seq":2,"reason":"buffer_full"}})";
}

Subscription only(const std::string &members) {
    auto parsed = parse_subscribe("{\"subscribe\":{" + members + "}}");
    REQUIRE(std::holds_alternative<Subscription>(parsed));
    return std::get<Subscription>(std::move(parsed));
}

// The text of the frame there, which is a whole message and not masked (RFC 6455, 5.2).
std::string unframe(std::string_view bytes, std::size_t &at) {
    const auto byte = [&] { return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(at++))); };
    CHECK(byte() == 0x81);
    std::uint64_t size = byte();
    REQUIRE(size <= 127);
    const int wide = size == 127 ? 8 : size == 126 ? 2 : 0;
    if (wide > 0) size = 0;
    for (int i = 0; i < wide; ++i) size = size << 8 | byte();
    CHECK(wide == (size < 126 ? 0 : size < 65536 ? 2 : 8));  // the shortest way to say it
    REQUIRE(size <= bytes.size() - at);
    const std::string text(bytes.substr(at, static_cast<std::size_t>(size)));
    at += text.size();
    return text;
}

struct Client {
    Client(Feed &f, Framing framing = Framing::message) : feed(f) { subscriber.framing = framing; }
    ~Client() { feed.leave(subscriber); }
    Client &join(std::string_view last_id = {}) {
        feed.join(subscriber, "hello", last_id);
        return *this;
    }
    // What is to be written next; "": nothing waits.
    Message write() {
        const Message message = feed.next(subscriber);
        missed += message.missed;
        events += message.events;
        if (message.data != nullptr)
            std::fill(message.data - frame_padding, message.data, '#');  // as a library does
        return message;
    }
    // The next message; "": nothing waits.
    std::string next() {
        if (came.empty()) {
            const Message message = write();
            const std::string_view bytes(message.data, message.size);
            if (!message.framed) return std::string(bytes);
            for (std::size_t at = 0; at < bytes.size();) came.push_back(unframe(bytes, at));
        }
        std::string text = came.front();
        came.pop_front();
        return text;
    }
    std::vector<std::string> all() {
        std::vector<std::string> out;
        for (std::string text = next(); !text.empty(); text = next()) out.push_back(text);
        return out;
    }
    // Takes the greeting and an empty snapshot.
    Client &greeted() {
        while (!subscriber.notes.empty() || subscriber.snapshot) next();
        came.clear();
        missed = events = 0;
        return *this;
    }
    Feed &feed;
    Subscriber subscriber;
    std::deque<std::string> came;  // in one write, and not yet looked at
    std::uint64_t missed = 0, events = 0;
};

bool live(const std::string &text) {
    return text.find("connection_status") != std::string::npos && text.find("\"live\"") != std::string::npos;
}

Feed::Limits limits(std::size_t events) {
    Feed::Limits out;
    out.events = events;
    return out;
}

}  // namespace

TEST_CASE("every subscriber gets every event, byte for byte and in order") {
    Feed feed(limits(8));
    Client one(feed), two(feed);
    one.join().greeted();
    two.join().greeted();
    const std::string odd = R"( {"type" : "x-mine","data":{"a": [1 ,2]},"ü":"ö"} )";
    REQUIRE(feed.publish(event("pi-1", 1)));
    REQUIRE(feed.publish(odd));
    CHECK(one.all() == std::vector<std::string>{event("pi-1", 1), odd});
    CHECK(two.next() == event("pi-1", 1));
    REQUIRE(feed.publish(event("pi-1", 2)));
    CHECK(two.all() == std::vector<std::string>{odd, event("pi-1", 2)});
    CHECK(one.next() == event("pi-1", 2));
    CHECK(one.missed + two.missed == 0);
    CHECK(one.events == 3);
}

TEST_CASE("what is no event is refused, bare batches and gaps become events") {
    Feed feed(limits(8));
    Client client(feed);
    client.join().greeted();
    for (const char *bad : {"", "hello", "{}", "[]", "{\"type\":1}", "{\"type\":\"\"}", "{\"type\":\"x\"",
                            "{\"type\":\"x\"} 1", "{\"type\":\"\xff\"}", "{\"device_id\":\"x\"}", "null"})
        CHECK_FALSE(feed.publish(bad));
    CHECK_FALSE(feed.waiting(client.subscriber));
    REQUIRE(feed.publish(batch("pi-1", 1)));
    REQUIRE(feed.publish(gap("pi-1")));
    CHECK(client.next() == event("pi-1", 1));
    CHECK(client.next() == R"({"type":"gap_event","data":)" + gap("pi-1") + "}");
}

TEST_CASE("a carriage return can not break a line out of its event") {
    Feed feed(limits(8));
    Client client(feed);
    client.join().greeted();
    REQUIRE(feed.publish("{\"type\":\"x\",\r\"data\":{}}\r"));
    CHECK(client.next() == "{\"type\":\"x\", \"data\":{}} ");
}

TEST_CASE("the longest line passes, alone or wrapped") {
    Feed feed(limits(8));
    Client client(feed, Framing::lines);
    client.join().greeted();
    std::string longest = batch("pi-1", 1);
    longest.insert(1, R"("note":")" + std::string(max_line - longest.size() - 10, 'x') + R"(",)");
    REQUIRE(longest.size() == max_line);
    REQUIRE(feed.publish(longest));
    REQUIRE(feed.publish(event("pi-1", 2)));
    CHECK(client.next() == R"({"type":"detection_event","data":)" + longest + "}");
    CHECK(client.next() == event("pi-1", 2));
}

TEST_CASE("who falls behind is told once how much, and goes on with the newest") {
    Feed feed(limits(4));
    Client slow(feed), fast(feed);
    slow.join().greeted();
    fast.join().greeted();
    for (int i = 1; i <= 4; i++) REQUIRE(feed.publish(event("pi-1", i)));
    CHECK(slow.next() == event("pi-1", 1));  // 4 behind: within the bound
    fast.all();
    for (int i = 5; i <= 9; i++) {
        REQUIRE(feed.publish(event("pi-1", i)));
        fast.all();
    }
    CHECK(fast.events == 9);
    CHECK(fast.missed == 0);
    slow.came.clear();  // it was given all four at once
    CHECK(slow.all() ==
          std::vector<std::string>{R"({"type":"lagged","data":{"missed":4}})", event("pi-1", 9)});
    CHECK(slow.events + slow.missed == 9);
    REQUIRE(feed.publish(event("pi-1", 10)));
    CHECK(slow.next() == event("pi-1", 10));
    CHECK(slow.missed == 4);
}

TEST_CASE("the ring is bounded by bytes too") {
    Feed::Limits bounds = limits(1000);
    bounds.bytes = 3 * event("pi-1", 1).size();
    Feed feed(bounds);
    Client slow(feed);
    slow.join().greeted();
    for (int i = 0; i < 100; i++) REQUIRE(feed.publish(event("pi-1", i)));
    CHECK(feed.ring().bytes() <= bounds.bytes);
    slow.all();
    CHECK(slow.missed == 99);
    CHECK(slow.events == 1);
}

TEST_CASE("a filter lets through what was asked for") {
    Feed feed(limits(8));
    Client client(feed);
    client.join().greeted();
    feed.filter(client.subscriber, only(R"("device_id":["pi-2"],"rssi_min":-60)"), "subscribed");
    CHECK(client.next() == "subscribed");
    CHECK(live(client.next()));
    REQUIRE(feed.publish(event("pi-1", 1)));
    REQUIRE(feed.publish(event("pi-2", 2, -80)));
    CHECK(feed.waiting(client.subscriber));
    CHECK(client.next().empty());
    CHECK_FALSE(feed.waiting(client.subscriber));
    REQUIRE(feed.publish(event("pi-2", 3, -60)));
    CHECK(client.all() == std::vector<std::string>{event("pi-2", 3, -60)});
    feed.announce(R"({"type":"stats_update","data":{}})");
    CHECK(client.next() == R"({"type":"stats_update","data":{}})");
    feed.filter(client.subscriber, only(""), "subscribed");
    client.greeted();
    CHECK_FALSE(client.subscriber.filter);
    REQUIRE(feed.publish(event("pi-1", 4)));
    CHECK(client.next() == event("pi-1", 4));
}

TEST_CASE("with a filter only wanted events count as missed") {
    Feed feed(limits(4));
    Client slow(feed);
    feed.join(slow.subscriber, "hello");
    feed.filter(slow.subscriber, only(R"("device_id":["pi-2"])"), "subscribed");
    slow.greeted();
    for (int i = 0; i < 50; i++) REQUIRE(feed.publish(event("pi-1", i)));
    CHECK(slow.all().empty());
    CHECK(slow.missed == 0);
    for (int i = 0; i < 60; i++) REQUIRE(feed.publish(event(i % 3 == 0 ? "pi-2" : "pi-1", i)));
    CHECK(slow.all() ==
          std::vector<std::string>{R"({"type":"lagged","data":{"missed":19}})", event("pi-2", 57)});
    for (int i = 0; i < 3; i++) REQUIRE(feed.publish(event("pi-2", i)));
    CHECK(slow.all().size() == 3);
    CHECK(slow.missed == 19);
}

TEST_CASE("several waiting events travel in one write, each as a message of its own") {
    Feed feed(limits(100));
    Client one(feed), filtered(feed);
    one.join().greeted();
    filtered.subscriber.filter = std::make_unique<Subscription>(only(R"("device_id":["pi-1"])"));
    filtered.join().greeted();
    const auto long_event = [](std::size_t size) {
        return R"({"type":"x","data":{"device_id":"pi-1","y":")" + std::string(size, 'y') + "\"}}";
    };
    const std::vector<std::string> sent{R"({"type":"x","data":{"device_id":"pi-1"}})", event("pi-1", 1),
                                        long_event(70'000)};
    for (const auto &text : sent) REQUIRE(feed.publish(text));
    for (Client *client : {&one, &filtered}) {
        std::vector<std::string> got;
        std::size_t writes = 0;
        for (Message message = client->write(); message.size > 0; message = client->write(), ++writes) {
            if (!message.framed) got.emplace_back(message.data, message.size);
            for (std::size_t at = 0; message.framed && at < message.size;)
                got.push_back(unframe({message.data, message.size}, at));
        }
        CHECK(got == sent);
        CHECK(writes <= 2);  // the long one may go alone
        CHECK(client->events == 3);
    }
}

TEST_CASE("several waiting events travel as lines of one message") {
    Feed feed(limits(100));
    Client lines(feed, Framing::lines), twin(feed, Framing::lines), late(feed, Framing::lines), single(feed);
    for (Client *client : {&lines, &twin, &late, &single}) client->join().greeted();
    for (int i = 1; i <= 3; i++) REQUIRE(feed.publish(event("pi-1", i)));
    const std::string first = event("pi-1", 1) + "\n" + event("pi-1", 2) + "\n" + event("pi-1", 3);
    CHECK(lines.next() == first);
    CHECK(twin.next() == first);
    REQUIRE(feed.publish(event("pi-1", 4)));
    CHECK(lines.next() == event("pi-1", 4));
    CHECK(late.next() == first + "\n" + event("pi-1", 4));
    CHECK(late.events == 4);
    CHECK(single.next() == event("pi-1", 1));
    CHECK(twin.next() == event("pi-1", 4));
    CHECK(twin.next().empty());
}

TEST_CASE("a joined message is bounded, and the same for all who stand at the same place") {
    Feed::Limits bounds = limits(1000);
    const std::size_t size = event("pi-1", 100).size();
    bounds.joined = 10 * size;
    Feed feed(bounds);
    Client one(feed, Framing::lines), two(feed, Framing::lines);
    one.join().greeted();
    two.join().greeted();
    for (int i = 100; i < 200; i++) REQUIRE(feed.publish(event("pi-1", i)));
    const std::string first = one.next();
    CHECK(first.size() <= bounds.joined + frame_padding);
    REQUIRE(
        feed.publish(event("pi-1", 200)));  // the message made for the first is still right for the second
    CHECK(two.next() == first);
    std::size_t left = 0;
    for (const std::string &text : one.all())
        left += 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    CHECK(one.events == 101);
    CHECK(left + 1 + static_cast<std::size_t>(std::count(first.begin(), first.end(), '\n')) == 101);
    two.all();
    CHECK(two.events == 101);
}

TEST_CASE("a joined message never holds events that were overwritten") {
    Feed::Limits bounds = limits(3);
    bounds.joined = 5 * event("pi-1", 1).size();  // of which half may follow a lagged event
    Feed feed(bounds);
    Client one(feed, Framing::lines), two(feed, Framing::lines);
    one.join().greeted();
    two.join().greeted();
    for (int i = 1; i <= 3; i++) REQUIRE(feed.publish(event("pi-1", i)));
    one.next();
    for (int i = 4; i <= 6; i++) REQUIRE(feed.publish(event("pi-1", i)));
    CHECK(one.next() == event("pi-1", 4) + "\n" + event("pi-1", 5) + "\n" + event("pi-1", 6));
    CHECK(two.next() == R"({"type":"lagged","data":{"missed":4}})"
                        "\n" +
                            event("pi-1", 5) + "\n" + event("pi-1", 6));
    CHECK(two.missed == 4);
    CHECK(two.events == 2);
}

TEST_CASE("a newcomer gets what is current: recent gaps and the latest event of each device") {
    Feed feed(limits(2));
    REQUIRE(feed.publish(event("pi-1", 1)));
    REQUIRE(feed.publish(event("pi-2", 1)));
    REQUIRE(feed.publish(gap("pi-2")));
    REQUIRE(feed.publish(event("pi-1", 2)));
    const std::string two = R"({"type":"two_at_once_event","data":{"device_id":"pi-2","run_ids":["a","b"]}})";
    REQUIRE(feed.publish(two));
    REQUIRE(feed.publish(R"({"type":"stats_update","data":{"device_id":"pi-3"}})"));
    Client client(feed);
    client.join();
    REQUIRE(feed.publish(event("pi-2", 2)));  // while the snapshot is on its way
    const auto got = client.all();
    REQUIRE(got.size() == 6);
    CHECK(got[0] == "hello");
    CHECK(got[1] == R"({"type":"gap_event","data":)" + gap("pi-2") + "}");
    CHECK(got[2] == two);
    CHECK(got[3] == event("pi-1", 2));
    CHECK(live(got[4]));
    CHECK(got[5] == event("pi-2", 2));  // once: what it replaced is current no more
    CHECK(client.missed == 0);
}

TEST_CASE("the snapshot passes the filter and is bounded") {
    Feed::Limits bounds = limits(4);
    bounds.devices = 3;
    bounds.gaps = 2;
    Feed feed(bounds);
    for (int i = 0; i < 10; i++) {
        REQUIRE(feed.publish(event("pi-" + std::to_string(i), i)));
        REQUIRE(feed.publish(gap("gap-" + std::to_string(i))));
    }
    REQUIRE(feed.publish(event("pi-7", 70)));
    Client all(feed), one(feed);
    all.join();
    auto got = all.all();
    REQUIRE(got.size() == 1 + 2 + 3 + 1);
    CHECK(got[3] == event("pi-8", 8));
    CHECK(got[5] == event("pi-7", 70));
    one.subscriber.filter = std::make_unique<Subscription>(only(R"("device_id":["pi-8"])"));
    one.join();
    got = one.all();
    REQUIRE(got.size() == 3);
    CHECK(got[1] == event("pi-8", 8));
    CHECK(live(got[2]));
}

TEST_CASE("the snapshot is bounded by bytes") {
    Feed::Limits bounds = limits(4);
    bounds.snapshot_bytes = 3 * (event("pi-1", 1).size() + frame_padding);
    Feed feed(bounds);
    for (int i = 0; i < 9; i++) REQUIRE(feed.publish(event("pi-" + std::to_string(i), i)));
    Client client(feed);
    client.join();
    CHECK(client.all().size() == 1 + 3 + 1);
}

TEST_CASE("a stream names its events and goes on from the last one that the client had") {
    Feed feed(limits(4));
    Client client(feed, Framing::stream);
    client.join();
    CHECK(client.next().starts_with("data: hello\n\ndata: {\"type\":\"connection_status\""));
    for (int i = 1; i <= 3; i++) REQUIRE(feed.publish(event("pi-1", i)));
    const std::string text = client.next();
    REQUIRE(text.starts_with("id: "));
    const std::string first = text.substr(4, text.find('\n') - 4);
    CHECK(text.find("\ndata: " + event("pi-1", 1) + "\n\nid: ") != std::string::npos);
    CHECK(text.ends_with("data: " + event("pi-1", 3) + "\n\n"));

    Client again(feed, Framing::stream);
    again.join(first);
    const std::string rest = again.next();
    CHECK(rest.starts_with("data: hello\n\nid: "));
    CHECK(rest.find(event("pi-1", 1)) == std::string::npos);
    CHECK(rest.find(event("pi-1", 2)) != std::string::npos);
    CHECK(rest.find("\"live\"") == std::string::npos);

    for (int i = 4; i <= 9; i++) REQUIRE(feed.publish(event("pi-1", i)));
    Client late(feed, Framing::stream);
    late.join(first);
    CHECK(late.next().find(R"({"missed":4})") != std::string::npos);

    for (const std::string &strange : {std::string("1"), first + "0000", "x" + first, first + "x",
                                       first.substr(0, 17), std::string(), first + "-"}) {
        Client other(feed, Framing::stream);
        other.join(strange);
        CHECK(other.next().find("\"live\"") != std::string::npos);
    }
}
