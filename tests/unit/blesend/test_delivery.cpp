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

// Remembers what it was given; the test says how each message ends.
class FakeTransport : public Transport {
  public:
    std::vector<std::pair<std::uint64_t, std::string>> sent;
    std::vector<Result> results;
    std::size_t width = 0, outstanding = 0;

    void start() override {}
    int fd() const override { return -1; }
    std::chrono::milliseconds timeout() const override { return std::chrono::milliseconds(-1); }
    std::vector<Result> step() override {
        outstanding -= results.size();
        return std::exchange(results, {});
    }
    std::size_t window() const override { return width; }
    void send(std::uint64_t id, std::string_view payload) override {
        REQUIRE(++outstanding <= width);
        sent.emplace_back(id, payload);
    }
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
    explicit Parts(std::size_t inflight = 64, Delivery::OnFailure on_failure = Delivery::OnFailure::keep)
        : delivery(spool, transport, reject, counters, inflight, on_failure) {
        for (unsigned seq = 0; seq < 6; ++seq) push(seq);
    }
    void push(unsigned seq) {
        const std::string line = batch(seq);
        const std::string_view views[] = {line};
        spool.push(views, WhenFull::drop);
    }

    RamSpool spool{100};
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

}  // namespace

TEST_CASE("nothing is sent while the window is closed") {
    Parts p;
    p.delivery.pump();
    CHECK(p.transport.sent.empty());
    CHECK(p.spool.size() == 6);
}

TEST_CASE("messages go out in order, no more than the window and --inflight allow") {
    Parts p(2);
    p.transport.width = 10;
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
    Parts p(4);
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

TEST_CASE("one message tried again waits for the others, so that it does not overtake or repeat") {
    Parts p(3);
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
    CHECK(p.transport.lines() == batches({0, 1}));
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
