#include "spools.hpp"

using namespace ble;
using namespace ble::test;

TEST_CASE("a spool in memory says so") {
    const RamSpool spool(10);
    CHECK(spool.description().find("10 batches in memory") == 0);
    CHECK_FALSE(spool.durable());
}

TEST_CASE("a long backlog in memory that is too old goes part by part and becomes one gap line") {
    constexpr unsigned count = 20 * Spool::most_expired + 7;
    const InMemory made(count, std::chrono::hours(1));
    Spool &spool = made.spool();
    REQUIRE(push(spool, batches(0, count)) == count);
    made.pass(std::chrono::hours(2));
    std::size_t parts = 0;
    while (spool.expire()) CHECK(spool.loss().expired == ++parts * Spool::most_expired);
    CHECK(parts == 20);
    CHECK(drain(spool) == std::vector<std::string>{gap(0, count - 1, usual_run, usual_device, "expired")});
}

TEST_CASE("when as many gap lines wait in memory as may, what is too old is delivered, not lost unnamed") {
    const auto lines = one_of_each_run(GapLedger::most + 5);
    const InMemory made(lines.size(), std::chrono::hours(1));
    push(made.spool(), lines);
    made.pass(std::chrono::hours(2));
    check_crowd_of_gaps(made.spool(), lines);
}

TEST_CASE("a million batches through a full spool cost no more memory and little time") {
    RamSpool spool(100);
    const std::string line = batch(1);
    const std::vector<std::string_view> one = {line};
    for (int i = 0; i < 1'000'000; ++i) {
        REQUIRE(spool.push(one, WhenFull::wait) == 1);
        if (!spool.full()) continue;
        while (const auto entry = spool.next()) spool.remove(entry->id);
    }
    CHECK(spool.size() < 100);
}
