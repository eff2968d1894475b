// What every spool must do with batches that are too old.
#include <string>
#include <vector>

#include "spools.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::hours;
using std::chrono::minutes;

#define SPOOL_TEST(name) TEMPLATE_TEST_CASE(name, "[spool]", InMemory, OnDisk)

namespace {

std::string expired(unsigned from, unsigned to, const std::string &run = usual_run) {
    return gap(from, to, run, usual_device, "expired");
}

}  // namespace

SPOOL_TEST("what is too old is dropped and told of in one gap line for each run, and what is younger stays") {
    const TestType made(100, hours(1));
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(7, "bb"), batch(1), batch(8, "bb")});
    made.pass(minutes(59));
    push(spool, {batch(2)});
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 0);
    made.pass(minutes(2));
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 4);
    CHECK(spool.loss().dropped == 0);
    CHECK(spool.size() == 3);
    CHECK(drain(spool) == std::vector<std::string>{expired(0, 1), expired(7, 8, "bb"), batch(2)});
}

SPOOL_TEST("without a maximum nothing is ever too old") {
    const TestType made(100);
    Spool &spool = made.spool();
    push(spool, {batch(0)});
    made.pass(hours(24 * 3650));
    CHECK_FALSE(spool.expire());
    CHECK(drain(spool) == std::vector<std::string>{batch(0)});
}

SPOOL_TEST("what is in flight is not too old; what is given back can be") {
    const TestType made(100, hours(1));
    Spool &spool = made.spool();
    push(spool, {batch(0), batch(1), batch(2)});
    const auto first = spool.next(), second = spool.next();
    made.pass(hours(2));
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 1);
    CHECK(spool.line(first->id) == batch(0));
    spool.remove(first->id);
    spool.give_back(second->id);
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 2);
    CHECK(drain(spool) == std::vector<std::string>{expired(1, 1), expired(2, 2)});
}

SPOOL_TEST("gap lines never get too old, whoever made them") {
    const TestType made(100, hours(1));
    Spool &spool = made.spool();
    const std::string foreign =
        R"({"format":1,"device_id":"pi-lab-1","run_id":"aa","gap":{"from_seq":3,"to_seq":9,"reason":"scanner"},"x":1})";
    push(spool, {batch(0), foreign, batch(1)});
    made.pass(hours(2));
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 2);
    made.pass(hours(2));
    CHECK_FALSE(spool.expire());
    CHECK(drain(spool) == std::vector<std::string>{expired(0, 1), foreign});
    CHECK(spool.loss().expired == 2);
    CHECK(spool.loss().unnamed == 0);
}

SPOOL_TEST("batches without run_id are counted when they get too old, but no gap line can tell of them") {
    const TestType made(100, hours(1));
    Spool &spool = made.spool();
    push(spool, {nameless, batch(0), nameless});
    made.pass(hours(2));
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 3);
    CHECK(spool.loss().unnamed == 2);
    CHECK(drain(spool) == std::vector<std::string>{expired(0, 0)});
}

SPOOL_TEST("what is too old makes room in a full spool, also in one that drops nothing") {
    const TestType made(2, hours(1));
    Spool &spool = made.spool();
    const auto policy = GENERATE(WhenFull::wait, WhenFull::drop);
    push(spool, {batch(0), batch(1)}, WhenFull::wait);
    CHECK(push(spool, {batch(2)}, WhenFull::wait) == 0);
    made.pass(hours(2));
    CHECK(push(spool, {batch(2), batch(3)}, policy) == 2);
    CHECK(push(spool, {batch(4)}, WhenFull::wait) == 0);
    CHECK(spool.loss().expired == 2);
    CHECK(spool.loss().dropped == 0);
    CHECK(drain(spool) == std::vector<std::string>{expired(0, 1), batch(2), batch(3)});
}

SPOOL_TEST(
    "where batches get too old during every send, some go out for each gap line, also of a full spool") {
    const TestType made(GENERATE(6u, 100u), hours(1));
    Spool &spool = made.spool();
    BatchParser parser;
    std::uint64_t in = 0, out = 0, gaps = 0, told = 0;
    const auto count = [&](const std::string &line) {
        const ParsedLine parsed = parser.parse(line);
        if (const auto *gap = std::get_if<Gap>(&parsed)) {
            ++gaps;
            told += gap->to_seq - gap->from_seq + 1;
        } else {
            ++out;
        }
    };
    for (int message = 0; message < 100; ++message) {
        for (int n = 0; n < 3; ++n) in += push(spool, {batch(static_cast<unsigned>(in))}, WhenFull::wait);
        while (spool.expire()) {
        }
        const auto sent = spool.next();
        REQUIRE(sent);
        count(std::string(sent->line));
        made.pass(minutes(20));
        spool.remove(sent->id);
    }
    CHECK(gaps > 10);
    CHECK(out >= 3 * gaps);
    for (const auto &line : drain(spool)) count(line);
    CHECK(told == spool.loss().expired);
    CHECK(out + told == in);
}

SPOOL_TEST("what was to follow a gap line is too old after a long time without a network") {
    const TestType made(100, hours(1));
    Spool &spool = made.spool();
    push(spool, batches(0, 5));
    made.pass(minutes(61));
    push(spool, batches(5, 8));
    spool.expire();
    spool.remove(spool.next()->id);
    made.pass(minutes(61));
    CHECK_FALSE(spool.expire());
    CHECK(spool.loss().expired == 5);  // its turn is now
    made.pass(hours(100));
    push(spool, {batch(8)});
    spool.expire();
    CHECK(drain(spool) == std::vector<std::string>{expired(5, 7), batch(8)});
}
