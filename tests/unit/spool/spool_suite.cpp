// What every spool must do, written against the interface; each implementation runs it.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spools.hpp"

using namespace ble;
using namespace ble::test;

#define SPOOL_TEST(name) TEMPLATE_TEST_CASE(name, "[spool]", InMemory, OnDisk)

SPOOL_TEST("a spool hands out lines in the order they came, byte for byte") {
    const TestType made(10);
    Spool &spool = made.spool();
    const std::vector<std::string> lines = {batch(0), "  " + batch(1) + "\r", nameless, batch(2)};
    REQUIRE(push(spool, lines) == 4);
    CHECK(spool.size() == 4);
    CHECK(drain(spool) == lines);
    CHECK(spool.size() == 0);
    CHECK_FALSE(spool.next());
}

SPOOL_TEST("a full spool that waits takes what there is room for") {
    const TestType made(3);
    Spool &spool = made.spool();
    REQUIRE(push(spool, {batch(0), batch(1)}, WhenFull::wait) == 2);
    CHECK_FALSE(spool.full());
    REQUIRE(push(spool, {batch(2), batch(3)}, WhenFull::wait) == 1);
    CHECK(spool.full());
    REQUIRE(push(spool, {batch(3)}, WhenFull::wait) == 0);
    spool.remove(spool.next()->id);
    REQUIRE(push(spool, {batch(3)}, WhenFull::wait) == 1);
    CHECK(spool.loss().dropped == 0);
    CHECK(drain(spool) == std::vector<std::string>{batch(1), batch(2), batch(3)});
}

SPOOL_TEST(
    "a full spool drops the oldest and tells of a contiguous range in one gap line, before later batches") {
    const TestType made(2);
    Spool &spool = made.spool();
    REQUIRE(push(spool, {batch(0), batch(1), batch(2), batch(3), batch(4)}) == 5);
    CHECK(spool.loss().dropped == 3);
    CHECK(spool.loss().unnamed == 0);
    CHECK(spool.size() == 3);
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 2), batch(3), batch(4)});
}

SPOOL_TEST("gap lines stand outside the bound") {
    const TestType made(2);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(2), batch(4), batch(6)});
    CHECK(spool.full());
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 0), gap(2, 2), batch(4), batch(6)});
}

SPOOL_TEST("each run has gap lines of its own, and they grow though others lie between") {
    const TestType made(1);
    Spool &spool = made.spool();
    push(spool, {batch(0, "aa"), batch(7, "bb"), batch(1, "aa"), batch(8, "bb"), batch(7, "bb", "pi-lab-2"),
                 batch(2, "aa")});
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 1, "aa"), gap(7, 8, "bb"),
                                                   gap(7, 7, "bb", "pi-lab-2"), batch(2, "aa")});
}

SPOOL_TEST("what is in flight is not dropped") {
    const TestType made(3);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1), batch(2)});
    const auto first = spool.next(), second = spool.next();
    CHECK(spool.in_flight() == 2);
    push(spool, {batch(3), batch(4)});
    CHECK(spool.loss().dropped == 2);
    CHECK(spool.line(first->id) == batch(0));
    CHECK(spool.line(second->id) == batch(1));
    CHECK(drain(spool) == std::vector<std::string>{gap(2, 3), batch(4)});
}

SPOOL_TEST("the newcomer is dropped when all others are in flight") {
    const TestType made(2);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1)});
    const auto first = spool.next(), second = spool.next();
    push(spool, {batch(2), batch(3)});
    CHECK(spool.loss().dropped == 2);
    spool.remove(first->id);
    spool.remove(second->id);
    CHECK(drain(spool) == std::vector<std::string>{gap(2, 3)});
}

SPOOL_TEST("what is given back goes to its old place and is sent before anything newer") {
    const TestType made(10);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1), batch(2), batch(3)});
    const auto a = spool.next(), b = spool.next(), c = spool.next();
    spool.remove(b->id);
    spool.give_back(c->id);
    spool.give_back(a->id);
    CHECK(spool.in_flight() == 0);
    push(spool, {batch(4)});
    CHECK(drain(spool) == std::vector<std::string>{batch(0), batch(2), batch(3), batch(4)});
}

SPOOL_TEST("what is given back counts against the bound and can be dropped") {
    const TestType made(2);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1)});
    const auto first = spool.next();
    push(spool, {batch(2)});  // drops 1: 0 is in flight
    spool.give_back(first->id);
    push(spool, {batch(3)});  // drops 0
    CHECK(spool.loss().dropped == 2);
    const auto lines = drain(spool);
    CHECK(lines.back() == batch(3));
    CHECK(lines.size() == 4);
    CHECK(std::count(lines.begin(), lines.end(), gap(0, 0)) == 1);
    CHECK(std::count(lines.begin(), lines.end(), gap(1, 1)) == 1);
}

SPOOL_TEST("a gap line in flight no longer grows; given back it grows again") {
    const TestType made(1);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1)});
    auto sent = spool.next();
    REQUIRE(sent->line == gap(0, 0));
    push(spool, {batch(2)});
    CHECK(spool.line(sent->id) == gap(0, 0));

    SECTION("it was delivered: the next loss has a line of its own") {
        spool.remove(sent->id);
        CHECK(drain(spool) == std::vector<std::string>{gap(1, 1), batch(2)});
    }
    SECTION("it comes back while a newer one grows") {
        spool.give_back(sent->id);
        push(spool, {batch(3)});
        CHECK(drain(spool) == std::vector<std::string>{gap(0, 0), gap(1, 2), batch(3)});
    }
    SECTION("it comes back alone") {
        CHECK(spool.next()->line == gap(1, 1));
        spool.give_back(sent->id);
        sent = spool.next();
        CHECK(sent->line == gap(0, 0));
    }
}

SPOOL_TEST("a gap line given back alone takes the next loss") {
    const TestType made(1);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1)});
    const auto sent = spool.next();
    spool.give_back(sent->id);
    push(spool, {batch(2)});
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 1), batch(2)});
}

SPOOL_TEST("batches without run_id are counted when dropped, but no gap line can tell of them") {
    const TestType made(1);
    Spool &spool = made.spool();
    push(spool, {nameless, nameless, batch(5)});
    CHECK(spool.loss().dropped == 2);
    CHECK(spool.loss().unnamed == 2);
    CHECK(drain(spool) == std::vector<std::string>{batch(5)});
}

SPOOL_TEST("a gap line of another tool is kept when its turn to be dropped comes") {
    const TestType made(1);
    Spool &spool = made.spool();
    const std::string foreign =
        R"({"format":1,"device_id":"pi-lab-1","run_id":"aa","gap":{"from_seq":3,"to_seq":9,"reason":"scanner"},"x":1})";
    push(spool, {foreign, batch(0), batch(1)});
    CHECK(spool.loss().dropped == 1);
    CHECK(drain(spool) == std::vector<std::string>{foreign, gap(0, 0), batch(1)});
}

SPOOL_TEST("what is given up becomes a gap line in its place, one for each contiguous range and reason") {
    const TestType made(10);
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1), batch(2), batch(3), nameless, batch(4)});
    std::vector<std::uint64_t> ids;
    while (const auto entry = spool.next()) ids.push_back(entry->id);
    spool.give_up(ids[1], "refused");
    spool.give_up(ids[2], "refused");
    spool.give_up(ids[3], "too old");
    spool.give_up(ids[4], "refused");  // no gap line can tell of it
    CHECK(spool.size() == 4);
    CHECK(spool.in_flight() == 2);
    CHECK(spool.loss().dropped == 0);
    spool.give_back(ids[0]);
    spool.give_back(ids[5]);
    CHECK(drain(spool) == std::vector<std::string>{batch(0), gap(1, 2, usual_run, usual_device, "refused"),
                                                   gap(3, 3, usual_run, usual_device, "too old"), batch(4)});
    CHECK(spool.size() == 0);
}

// Windows of 10 s, one ended each minute.
std::string windowed(unsigned seq, const std::string &clock) {
    const std::string minute = (seq < 10 ? "0" : "") + std::to_string(seq);
    return R"({"format":1,"device_id":"pi-lab-1","run_id":"aa","seq":)" + std::to_string(seq) +
           R"(,"timestamp":"2026-11-22T06:)" + minute + R"(:10.000Z","window_ms":10000)" + clock +
           R"(,"detections":[]})";
}

std::string told(unsigned from, unsigned to, const std::string &reason, const std::string &times) {
    return R"({"format":1,"device_id":"pi-lab-1","run_id":"aa","gap":{"from_seq":)" + std::to_string(from) +
           R"(,"to_seq":)" + std::to_string(to) + R"(,"reason":")" + reason + "\"" + times + "}}";
}

SPOOL_TEST(
    "a gap line tells when what it names was heard, from the start of the first window to the end of the "
    "last") {
    const std::string synced = R"(,"clock":"synced")", unsynced = R"(,"clock":"unsynced")";
    const TestType made(2);
    Spool &spool = made.spool();
    for (unsigned seq = 0; seq < 5; ++seq) push(spool, {windowed(seq, synced)});
    auto sent = spool.next();
    CHECK(sent->line ==
          told(0, 2, "buffer_full",
               R"(,"from":"2026-11-22T06:00:00.000Z","to":"2026-11-22T06:02:10.000Z")" + synced));
    spool.give_back(sent->id);
    // It grows, and its word on the clock is that of the worst.
    push(spool, {windowed(5, unsynced)});
    push(spool, {windowed(6, synced), windowed(7, synced), windowed(8, synced)});
    CHECK(drain(spool) ==
          std::vector<std::string>{
              told(0, 6, "buffer_full",
                   R"(,"from":"2026-11-22T06:00:00.000Z","to":"2026-11-22T06:06:10.000Z")" + unsynced),
              windowed(7, synced), windowed(8, synced)});
    push(spool, {windowed(9, "")});
    spool.give_up(spool.next()->id, "refused");
    CHECK(drain(spool) ==
          std::vector<std::string>{told(
              9, 9, "refused", R"(,"from":"2026-11-22T06:09:00.000Z","to":"2026-11-22T06:09:10.000Z")")});
}

SPOOL_TEST("of a gap line that is given up nothing is left") {
    const TestType made(10);
    Spool &spool = made.spool();
    push(spool, {gap(7, 9), batch(0)});
    spool.give_up(spool.next()->id, "refused");
    spool.give_up(spool.next()->id, "refused");
    const auto told = spool.next();
    CHECK(told->line == gap(0, 0, usual_run, usual_device, "refused"));
    spool.give_up(told->id, "refused");
    CHECK(spool.size() == 0);
    CHECK_FALSE(spool.next());
}

SPOOL_TEST("the number of gap lines is bounded: past it one line of a run covers what does not adjoin") {
    const TestType made(1);
    Spool &spool = made.spool();
    constexpr unsigned losses = 3 * GapLedger::most;
    for (unsigned i = 0; i <= losses; ++i) push(spool, {batch(2 * i)});
    CHECK(spool.loss().dropped == losses);
    CHECK(spool.size() == GapLedger::most + 1);
    const auto lines = drain(spool);
    CHECK(lines.front() == gap(0, 0));
    CHECK(lines[lines.size() - 2] == gap(2 * (GapLedger::most - 1), 2 * (losses - 1)));

    push(spool, {batch(0)});
    for (unsigned i = 0; i < losses; ++i) push(spool, {batch(0, "run" + std::to_string(i))});
    CHECK(spool.size() == GapLedger::most + 1);
    CHECK(spool.loss().unnamed == losses - GapLedger::most);
}

SPOOL_TEST("the age of the oldest is that of the first entry, in flight or not") {
    const TestType made(10);
    Spool &spool = made.spool();
    CHECK(spool.oldest_age().count() == 0);
    push(spool, {batch(0)});
    const auto entry = spool.next();
    CHECK(spool.oldest_age().count() >= 0);
    spool.remove(entry->id);
    CHECK(spool.oldest_age().count() == 0);
}

SPOOL_TEST("whatever happens, each batch is either delivered or told of by a gap line") {
    std::mt19937 random(7);
    const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
    const std::vector<std::string> runs = {"00000000000000a1", "00000000000000b2", "00000000000000c3"};
    std::uint64_t expired = 0;
    for (int round = 0; round < TestType::rounds; ++round) {
        const TestType made(1 + random() % 12, std::chrono::hours(random() % 2));
        Spool &spool = made.spool();
        std::map<std::string, unsigned> next_seq;
        std::set<std::pair<std::string, unsigned>> all, delivered, told;
        std::vector<std::uint64_t> flying;
        std::size_t given_up = 0;
        BatchParser parser;
        const auto deliver = [&](std::uint64_t id) {
            const ParsedLine parsed = parser.parse(spool.line(id));
            if (const auto *lost = std::get_if<Gap>(&parsed)) {
                for (auto seq = lost->from_seq; seq <= lost->to_seq; ++seq)
                    told.emplace(lost->run_id, static_cast<unsigned>(seq));
            } else {
                const auto &position = std::get<ParsedBatch>(parsed).batch.position;
                delivered.emplace(position->run_id, static_cast<unsigned>(position->seq));
            }
            spool.remove(id);
        };
        for (int step = 0; step < 300; ++step) {
            if (chance(60)) {
                const auto &run = runs[random() % runs.size()];
                all.emplace(run, next_seq[run]);
                REQUIRE(push(spool, {batch(next_seq[run]++, run)}) == 1);
            } else if (chance(60)) {
                while (chance(80) && spool.expire()) {
                }
                if (const auto entry = spool.next()) flying.push_back(entry->id);
            } else if (chance(10)) {
                made.pass(std::chrono::minutes(random() % 200));
            } else if (chance(15)) {  // the link is lost
                for (const auto id : flying) spool.give_back(id);
                flying.clear();
            } else if (!flying.empty()) {
                const auto place = flying.begin() + static_cast<std::ptrdiff_t>(random() % flying.size());
                const bool is_batch = std::holds_alternative<ParsedBatch>(parser.parse(spool.line(*place)));
                if (is_batch && chance(10)) {
                    spool.give_up(*place, "refused");
                    ++given_up;
                } else {
                    deliver(*place);
                }
                flying.erase(place);
            }
            REQUIRE(spool.in_flight() == flying.size());
        }
        for (const auto id : flying) deliver(id);
        while (const auto entry = spool.next()) deliver(entry->id);
        CHECK(delivered.size() + told.size() == all.size());
        expired += spool.loss().expired;
        CHECK(told.size() == spool.loss().dropped + spool.loss().expired + given_up);
        delivered.merge(told);
        CHECK(delivered == all);
    }
    CHECK(expired > 0);
}
