#include "spools.hpp"

using namespace ble;
using namespace ble::test;

TEST_CASE("a spool in memory says so") {
    const RamSpool spool(10);
    CHECK(spool.description().find("10 batches in memory") == 0);
    CHECK_FALSE(spool.durable());
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
