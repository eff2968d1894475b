#include <string>

#include "catch.hpp"
#include "server/allowances.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {
const Allowances::Clock::time_point start{};
}

TEST_CASE("an allowance is spent at once and comes back with time, for each name its own") {
    Allowances allowances(0.5, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_FALSE(allowances.spent("a", start));
        CHECK(allowances.take("a", start));
    }
    CHECK_FALSE(allowances.take("a", start + 1s));
    CHECK(allowances.spent("a", start + 1s));
    CHECK(allowances.take("b", start + 1s));
    CHECK_FALSE(allowances.spent("a", start + 2s));
    CHECK(allowances.take("a", start + 2s));
    CHECK_FALSE(allowances.take("a", start + 3s));
    for (int i = 0; i < 3; i++) CHECK(allowances.take("a", start + 1h));  // and no more than all
    CHECK_FALSE(allowances.take("a", start + 1h));
}

TEST_CASE("without a rate nothing is counted") {
    Allowances allowances(0, 0);
    for (int i = 0; i < 1000; i++) CHECK(allowances.take("a", start));
    CHECK_FALSE(allowances.spent("a", start));
}

TEST_CASE("names beyond all bounds share one allowance, until others have theirs again") {
    Allowances allowances(1, 2);
    for (int i = 0; i < 4096; i++) CHECK(allowances.take(std::to_string(i), start));
    CHECK(allowances.take("late", start));
    CHECK(allowances.take("later", start));
    CHECK_FALSE(allowances.take("latest", start));
    CHECK(allowances.take("0", start));
    CHECK(allowances.take("latest", start + 10s));
    CHECK(allowances.take("latest", start + 10s));
    CHECK_FALSE(allowances.take("latest", start + 10s));
}

TEST_CASE("one client has one IPv4 address, or a network of IPv6") {
    CHECK(network_of("192.0.2.7") == "192.0.2.7");
    CHECK(network_of("::ffff:192.0.2.7") == "192.0.2.7");
    CHECK(network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2:ffff::1"));
    CHECK(network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1"));
    CHECK(network_of("elsewhere") == "elsewhere");
}
