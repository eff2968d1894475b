#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "blesend/delivery.hpp"
#include "catch.hpp"
#include "spool/ram_spool.hpp"

using namespace ble;

namespace {

std::string batch(unsigned seq) {
    return R"({"device_id":"pi-lab-1","run_id":"aa","seq":)" + std::to_string(seq) +
           R"(,"timestamp":"2026-11-22T06:30:10.000Z","detections":[]})";
}

std::string gap(unsigned from, unsigned to, const std::string &reason) {
    const auto time = parse_rfc3339("2026-11-22T06:30:10Z");  // of all batches here
    return print_gap({"pi-lab-1", "aa", from, to, reason, {}, {time, time, {}}});
}

// Remembers what it was given; the test says how each message ends.
class FakeTransport : public Transport {
  public:
    std::vector<std::pair<std::uint64_t, std::string>> sent;
    std::vector<Result> results;
    std::size_t width = 0, outstanding = 0;
    bool corked = false;
    std::size_t apart = 0;  // so many first bytes of a line say where it goes

    void start() override {}
    int fd() const override { return -1; }
    std::chrono::milliseconds timeout() const override { return std::chrono::milliseconds(-1); }
    std::vector<Result> step() override {
        outstanding -= results.size();
        return std::exchange(results, {});
    }
    std::size_t window() const override { return width; }
    std::string destination(std::string_view line) override { return std::string(line.substr(0, apart)); }
    void send(std::uint64_t id, std::string_view payload) override {
        REQUIRE(++outstanding <= width);
        REQUIRE(corked);
        sent.emplace_back(id, payload);
    }
    void cork() override { corked = true; }
    void uncork() override { corked = false; }
    void renew(const TransportOptions &) override {}
    bool connected() const override { return width > 0; }
    std::string status() const override { return {}; }

    void end(std::size_t index, Outcome outcome, const std::string &reason = {}) {
        results.push_back({sent.at(index).first, outcome, reason});
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> out;
        for (const auto &[id, line] : sent) out.push_back(line);
        return out;
    }
};

struct Parts {
    explicit Parts(std::size_t coalesce = 1, Delivery::OnFailure on_failure = Delivery::OnFailure::keep,
                   std::size_t capacity = 100, std::chrono::milliseconds max_age = {})
        : spool(capacity, max_age, [this] { return UptimeClock::now() + passed; }),
          delivery(spool, transport, reject, counters, coalesce, on_failure) {
        for (unsigned seq = 0; seq < 6; ++seq) push(seq);
    }
    void push(unsigned seq) { push(batch(seq)); }
    void push(const std::string &line) {
        const std::string_view views[] = {line};
        spool.push(views, WhenFull::drop);
    }
    // Ends all that was sent since the last call, each message as `outcome` says of its payload.
    template <typename Judge>
    void answer(Judge outcome) {
        const auto sent = std::exchange(transport.sent, {});
        for (const auto &[id, payload] : sent) transport.results.push_back({id, outcome(payload), "because"});
        delivery.pump();
    }

    std::chrono::milliseconds passed{0};
    RamSpool spool;
    FakeTransport transport;
    RejectFile reject{""};
    Counters counters;
    Delivery delivery;
};

std::vector<std::string> batches(const std::vector<unsigned> &seqs) {
    std::vector<std::string> out;
    for (const unsigned seq : seqs) out.push_back(batch(seq));
    return out;
}

// Messages of several batches each.
std::vector<std::string> joined(const std::vector<std::vector<unsigned>> &messages) {
    std::vector<std::string> out;
    for (const auto &seqs : messages) {
        std::string text;
        for (const auto &line : batches(seqs)) text += (text.empty() ? "" : "\n") + line;
        out.push_back(text);
    }
    return out;
}

std::string batch_of(unsigned seq, std::size_t size) {
    std::string line = batch(seq);
    line.insert(line.size() - 1, R"(,"x":"")");
    line.insert(line.size() - 2, size - line.size(), 'x');
    return line;
}

Outcome well(const std::string &) {
    return Outcome::delivered;
}

}  // namespace

TEST_CASE("nothing is sent while the window is closed") {
    Parts p;
    p.delivery.pump();
    CHECK(p.transport.sent.empty());
    CHECK(p.spool.size() == 6);
}

TEST_CASE("what is sent together may leave together, and is let go at once") {
    Parts p;
    p.transport.width = 4;
    p.delivery.pump();
    CHECK(p.transport.sent.size() == 4);
    CHECK_FALSE(p.transport.corked);
}

TEST_CASE("messages go out in order, no more than the window allows") {
    Parts p;
    p.transport.width = 2;
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 1}));
    p.transport.end(0, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 1, 2}));
    p.transport.width = 1;
    p.transport.end(1, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 1, 2}));
    CHECK(p.counters.out == 2);
    CHECK(p.spool.size() == 4);
}

TEST_CASE("after a lost link all that is unacknowledged goes first, in order, before anything new") {
    Parts p;
    p.transport.width = 4;
    p.delivery.pump();
    p.transport.end(1, Outcome::delivered);
    p.delivery.pump();
    REQUIRE(p.transport.lines() == batches({0, 1, 2, 3, 4}));
    p.push(6);
    p.transport.sent.clear();

    SECTION("the losses are told at once") {
        for (const std::uint64_t id : {3, 0, 4, 2})
            p.transport.results.push_back({id, Outcome::retry, "lost"});
        p.delivery.pump();
    }
    SECTION("the link is up again before the last loss is told: nothing goes out until then") {
        for (const std::uint64_t id : {3, 0}) p.transport.results.push_back({id, Outcome::retry, "lost"});
        p.delivery.pump();
        CHECK(p.transport.sent.empty());
        for (const std::uint64_t id : {4, 2}) p.transport.results.push_back({id, Outcome::retry, "lost"});
        p.delivery.pump();
    }
    CHECK(p.transport.lines() == batches({0, 2, 3, 4}));
    for (std::size_t i = 0; i < 4; ++i) p.transport.end(i, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 2, 3, 4, 5, 6}));
    CHECK(p.counters.out == 5);
}

TEST_CASE("only lines of one destination share a message") {
    Parts p(100);
    const std::string first = batch(6);
    std::string other = batch(7);
    other.replace(other.find("pi-lab-1"), 8, "pi-lab-2");
    for (const auto &line : {first, other, other, first}) p.push(line);
    p.transport.apart = first.find("lab-1") + 5;
    p.transport.width = 100;
    p.delivery.pump();
    CHECK(p.transport.lines() ==
          std::vector<std::string>{joined({{0, 1, 2, 3, 4, 5, 6}}).front(), other + "\n" + other, first});
}

TEST_CASE("one message tried again waits for the others, so that it does not overtake or repeat") {
    Parts p;
    p.transport.width = 3;
    p.delivery.pump();
    p.transport.end(0, Outcome::retry, "denied");
    p.transport.end(1, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 1, 2}));
    p.transport.end(2, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0, 1, 2, 0, 3, 4}));
}

TEST_CASE("a refused message is set aside with its reason, and the queue goes on") {
    Parts p(1);
    p.transport.width = 1;
    p.delivery.pump();
    p.transport.end(0, Outcome::refused, "status 422");
    p.delivery.pump();
    CHECK(p.reject.count() == 1);
    CHECK(p.counters.rejected == 1);
    CHECK(p.counters.out == 0);
    CHECK(p.transport.lines() == std::vector<std::string>{batch(0), gap(0, 0, "refused")});
    p.transport.end(1, Outcome::refused, "status 400");
    p.delivery.pump();
    CHECK(p.transport.lines().back() == batch(1));
    CHECK(p.spool.size() == 5);
}

TEST_CASE("with one try for each, a failure drops the message and counts it") {
    Parts p(1, Delivery::OnFailure::drop);
    p.transport.width = 1;
    p.delivery.pump();
    p.transport.end(0, Outcome::retry, "refused connection");
    p.delivery.pump();
    CHECK(p.counters.dropped == 1);
    CHECK(p.transport.lines() == batches({0, 1}));
    CHECK(p.spool.size() == 5);
}

TEST_CASE("with one try for each, gap lines follow what is delivered and are not lost by a failure") {
    RamSpool spool(1);
    FakeTransport transport;
    transport.width = 1;
    RejectFile reject("");
    Counters counters;
    Delivery delivery(spool, transport, reject, counters, 1, Delivery::OnFailure::drop);
    std::vector<std::string> expected;
    const auto sends = [&](const std::string &line, Outcome outcome) {
        delivery.pump();
        expected.push_back(line);
        REQUIRE(transport.lines() == expected);
        transport.end(transport.sent.size() - 1, outcome, "reason");
        delivery.pump();
    };
    const auto takes = [&](unsigned seq, Outcome outcome) {
        const std::string line = batch(seq);
        const std::string_view views[] = {line};
        REQUIRE(spool.push(views, WhenFull::wait) == 1);
        sends(line, outcome);
    };
    takes(0, Outcome::retry);
    takes(1, Outcome::retry);
    takes(2, Outcome::delivered);
    sends(gap(0, 1, "not_delivered"), Outcome::retry);
    takes(3, Outcome::retry);
    takes(4, Outcome::delivered);
    sends(gap(0, 1, "not_delivered"), Outcome::delivered);
    sends(gap(3, 3, "not_delivered"), Outcome::refused);
    CHECK(spool.size() == 0);
    CHECK(counters.dropped == 3);
    CHECK(counters.rejected == 1);
}

TEST_CASE("what waits shares messages, up to so many batches each; what comes alone goes alone, at once") {
    Parts p(4);
    p.transport.width = 2;
    p.delivery.pump();
    CHECK(p.transport.lines() == joined({{0, 1, 2, 3}, {4, 5}}));
    CHECK(p.counters.out == 0);
    p.answer(well);
    CHECK(p.counters.out == 6);
    CHECK(p.spool.size() == 0);
    p.push(6);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({6}));
}

TEST_CASE("a message of several holds 256 KiB, and a longer line goes alone") {
    Parts p(100);
    p.transport.width = 100;
    p.delivery.pump();
    p.answer(well);
    constexpr std::size_t half = Delivery::longest_joined / 2;
    const std::vector<std::string> lines = {batch_of(6, half), batch_of(7, half - 1), batch_of(8, half),
                                            batch_of(9, half), batch_of(10, 400'000), batch(11)};
    for (const auto &line : lines) p.push(line);
    p.delivery.pump();
    CHECK(p.transport.lines() ==
          std::vector<std::string>{lines[0] + '\n' + lines[1], lines[2], lines[3], lines[4], lines[5]});
    CHECK(p.transport.sent[0].second.size() == Delivery::longest_joined);
    p.answer(well);
    CHECK(p.spool.size() == 0);
}

TEST_CASE("a line whose bytes would not survive beside others goes alone") {
    Parts p(100);
    p.transport.width = 100;
    p.delivery.pump();
    p.answer(well);
    const std::vector<std::string> lines = {batch(6), batch(7) + "\r", " " + batch(8), batch(9), batch(10)};
    for (const auto &line : lines) p.push(line);
    p.delivery.pump();
    CHECK(p.transport.lines() ==
          std::vector<std::string>{lines[0], lines[1], lines[2], lines[3] + '\n' + lines[4]});
}

TEST_CASE("gap lines share messages too") {
    Parts p(100);
    for (unsigned seq = 6; seq < 102; ++seq) p.push(seq);
    p.transport.width = 1;
    p.delivery.pump();
    const std::string sent = p.transport.lines().at(0);
    CHECK(sent.find(R"("gap":{"from_seq":0,"to_seq":1,)") != std::string::npos);
    CHECK(sent.find("\n" + batch(2)) != std::string::npos);
    p.answer(well);
    p.answer(well);
    CHECK(p.spool.size() == 0);
    CHECK(p.counters.out == 101);
}

TEST_CASE("after a lost link all batches of all messages go again, in order, before anything new") {
    Parts p(2);
    p.transport.width = 3;
    p.delivery.pump();
    p.transport.end(1, Outcome::delivered);
    p.transport.end(2, Outcome::retry);
    p.delivery.pump();
    p.push(6);
    p.delivery.pump();
    CHECK(p.transport.lines() == joined({{0, 1}, {2, 3}, {4, 5}}));  // one has not ended
    p.transport.end(0, Outcome::retry);
    p.transport.sent.erase(p.transport.sent.begin(), p.transport.sent.begin() + 3);
    p.delivery.pump();
    CHECK(p.transport.lines() == joined({{0, 1}, {4, 5}, {6}}));
    p.answer(well);
    CHECK(p.counters.out == 7);
    CHECK(p.spool.size() == 0);
}

TEST_CASE("a refused message of several is parted: only what is refused by itself is set aside") {
    Parts p(3);
    for (unsigned seq = 6; seq < 12; ++seq) p.push(seq);
    p.transport.width = 1;
    const auto poison = [](const std::string &payload) {
        return payload.find(R"("seq":1,)") != std::string::npos ? Outcome::refused : Outcome::delivered;
    };
    std::vector<std::string> all;
    p.delivery.pump();
    while (!p.transport.sent.empty() && all.size() < 20) {
        all.push_back(p.transport.lines().at(0));
        p.answer(poison);
    }
    auto expected = joined({{0, 1, 2}, {0}, {1}, {2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}});
    expected.insert(expected.begin() + 3, gap(1, 1, "refused"));
    CHECK(all == expected);
    CHECK(p.reject.count() == 1);
    CHECK(p.counters.rejected == 1);
    CHECK(p.counters.out == 12);
    CHECK(p.spool.size() == 0);
}

TEST_CASE("a refused message among others is parted up to its own last batch, also after a lost link") {
    Parts p(2);
    for (unsigned seq = 6; seq < 10; ++seq) p.push(seq);
    p.transport.width = 3;
    p.delivery.pump();
    REQUIRE(p.transport.lines() == joined({{0, 1}, {2, 3}, {4, 5}}));
    p.transport.end(1, Outcome::refused);
    p.delivery.pump();
    CHECK(p.transport.lines().back() == batch(2));
    p.transport.end(2, Outcome::delivered);
    p.transport.end(0, Outcome::retry);
    p.transport.end(3, Outcome::retry);
    p.transport.sent.clear();
    p.delivery.pump();
    CHECK(p.transport.lines() == joined({{0}, {1}, {2}}));
    p.answer(well);
    CHECK(p.transport.lines() == joined({{3}, {6, 7}, {8, 9}}));
    p.answer(well);
    CHECK(p.counters.out == 10);
    CHECK(p.spool.size() == 0);
}

TEST_CASE("what ended in later goes behind the others, and then alone") {
    Parts p;
    p.transport.width = 3;
    p.delivery.pump();
    REQUIRE(p.transport.lines() == batches({0, 1, 2}));
    p.transport.end(0, Outcome::later);
    p.transport.end(1, Outcome::retry);
    p.transport.end(2, Outcome::retry);
    p.transport.sent.clear();
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({1, 2, 3}));
    p.answer(well);
    CHECK(p.transport.lines() == batches({4, 5}));
    p.transport.end(0, Outcome::delivered);
    p.transport.sent.erase(p.transport.sent.begin());
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({5}));  // not beside another
    p.answer(well);
    CHECK(p.transport.lines() == batches({0}));
    p.push(6);
    p.delivery.pump();
    CHECK(p.transport.lines() == batches({0}));  // nor another beside it

    SECTION("it is delivered") {
        p.answer(well);
        CHECK(p.counters.out == 6);
    }
    SECTION("its link is lost for another reason: it stays behind the others") {
        p.answer([](const std::string &) { return Outcome::retry; });
        CHECK(p.transport.lines() == batches({6}));
        p.answer(well);
        CHECK(p.transport.lines() == batches({0}));
        p.answer(well);
        CHECK(p.counters.out == 7);
    }
    SECTION("it is refused") {
        p.answer([](const std::string &) { return Outcome::refused; });
        CHECK(p.reject.count() == 1);
        CHECK(p.transport.lines() == std::vector<std::string>{gap(0, 0, "refused"), batch(6)});
    }
    p.answer(well);
    CHECK(p.spool.size() == 0);
}

TEST_CASE("what waits behind others has its turn after so many of them, and stops none of them") {
    Parts p;
    p.transport.width = 1;
    p.delivery.pump();
    SECTION("others come without end") {
        p.answer([](const std::string &) { return Outcome::later; });
        std::size_t others = 0;
        for (unsigned seq = 6; p.transport.lines() != batches({0}) && others < 5000; ++seq, ++others) {
            p.push(seq);
            p.answer(well);
        }
        CHECK(others == Delivery::most_others);
    }
    SECTION("several wait, and others come without end: each has its turn as often as one alone") {
        constexpr unsigned several = 20;
        for (unsigned seq = 6; seq < several; ++seq) p.push(seq);
        for (unsigned seq = 0; seq < several; ++seq)
            p.answer([](const std::string &) { return Outcome::later; });
        std::size_t others = 0;
        std::vector<std::size_t> turns;
        for (unsigned seq = several; turns.size() < 2 * several && others < 5000; ++seq) {
            const auto line = p.transport.lines().at(0);
            const bool turn = line == batch(static_cast<unsigned>(turns.size()) % several);
            if (turn)
                turns.push_back(std::exchange(others, 0));
            else
                ++others;
            p.push(seq);
            p.answer([&](const std::string &) { return turn ? Outcome::later : Outcome::delivered; });
        }
        turns.erase(turns.begin());  // nothing else waited
        CHECK(turns == std::vector<std::size_t>(2 * several - 1, Delivery::most_others / several));
    }
    SECTION(
        "however many at the head end in later, all others are delivered before one of them is tried again") {
        const unsigned bad = GENERATE(8u, 9u, 20u);
        for (unsigned seq = 6; seq < bad + 50; ++seq) p.push(seq);
        for (unsigned seq = 0; seq < bad + 50; ++seq) {
            CHECK(p.transport.lines() == batches({seq}));
            p.answer([&](const std::string &) { return seq < bad ? Outcome::later : Outcome::delivered; });
        }
        for (unsigned seq = 0; seq < 2 * bad; ++seq) {
            CHECK(p.transport.lines() == batches({seq % bad}));
            p.answer([](const std::string &) { return Outcome::later; });
        }
        CHECK(p.counters.out == 50);
        CHECK(p.spool.size() == bad);
    }
}

TEST_CASE(
    "messages that are parted again and again though nothing is wrong with any batch are made smaller") {
    constexpr std::size_t limit = 900;  // bytes of a message that the peer takes
    const bool one_is_bad = GENERATE(false, true);
    Parts p(64);
    p.transport.width = 1;
    std::size_t messages = 0, refused = 0;
    const auto judge = [&](const std::string &payload) {
        const bool bad = one_is_bad && payload.find(R"("seq":9,)") != std::string::npos;
        ++messages;
        if (!bad && payload.size() <= limit) return Outcome::delivered;
        ++refused;
        return Outcome::refused;
    };
    for (unsigned seq = 6; seq < 1000;) {
        messages = refused = 0;
        for (int i = 0; i < 64; ++i) p.push(seq++);
        p.delivery.pump();
        while (!p.transport.sent.empty()) p.answer(judge);
    }
    CHECK(p.spool.size() == 0);
    CHECK(p.counters.rejected == (one_is_bad ? 1 : 0));
    CHECK(refused == 0);
    CHECK(messages < 32);
}

struct Aging : Parts {
    explicit Aging(std::size_t coalesce = 1)
        : Parts(coalesce, Delivery::OnFailure::keep, 4 * Spool::most_expired, std::chrono::hours(1)) {}
};

TEST_CASE("what is too old is dropped when its turn comes, not before") {
    Aging p;
    p.passed = std::chrono::hours(2);
    p.push(6);
    p.delivery.pump();
    CHECK(p.spool.loss().expired == 0);  // nobody is there to send to
    p.transport.width = 1;
    p.delivery.pump();
    CHECK(p.spool.loss().expired == 6);
    CHECK(p.transport.lines() == std::vector<std::string>{gap(0, 5, "expired")});
    p.transport.end(0, Outcome::delivered);
    p.delivery.pump();
    CHECK(p.transport.lines().back() == batch(6));
}

TEST_CASE("what is on its way does not get too old; what comes back does, and is told of") {
    Aging p;
    p.transport.width = 2;
    p.delivery.pump();
    p.passed = std::chrono::hours(2);
    p.push(6);
    p.delivery.pump();
    CHECK(p.spool.loss().expired == 0);
    p.transport.end(0, Outcome::delivered);
    p.transport.end(1, Outcome::retry);  // the link is lost, and back at once
    p.delivery.pump();
    CHECK(p.counters.out == 1);
    CHECK(p.spool.loss().expired == 5);
    CHECK(p.transport.lines() ==
          std::vector<std::string>{batch(0), batch(1), gap(1, 5, "expired"), batch(6)});
}

TEST_CASE("much that is too old goes part by part, and nothing is sent before the last of it") {
    Aging p(8);
    const unsigned more = 2 * Spool::most_expired;
    for (unsigned seq = 6; seq < more; ++seq) p.push(seq);
    p.passed = std::chrono::hours(2);
    p.push(more);
    p.transport.width = 4;
    for (unsigned part = 1; part <= 2; ++part) {
        CHECK(p.transport.sent.empty());
        p.delivery.pump();
        CHECK(p.delivery.expiring());
        CHECK(p.spool.loss().expired == part * Spool::most_expired);
    }
    p.delivery.pump();
    CHECK_FALSE(p.delivery.expiring());
    CHECK(p.transport.lines() == std::vector<std::string>{gap(0, more - 1, "expired") + "\n" + batch(more)});
}

TEST_CASE("on a link slower than the input batches are sent, and few gap lines between them") {
    Aging p;
    p.transport.width = 1;
    unsigned seq = 6, gaps = 0, sent = 0;
    for (int message = 0; message < 100; ++message) {
        p.answer(well);
        REQUIRE(p.transport.sent.size() == 1);
        ++(p.transport.sent[0].second.find(R"("gap")") == std::string::npos ? sent : gaps);
        for (int n = 0; n < 3; ++n) {
            p.passed += std::chrono::minutes(5);
            p.push(seq++);
        }
    }
    CHECK(p.spool.loss().expired > 100);
    CHECK(gaps > 10);
    CHECK(sent >= 3 * gaps);
}
