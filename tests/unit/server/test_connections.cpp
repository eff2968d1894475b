#include <algorithm>
#include <array>

#include "catch.hpp"
#include "server/connections.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {

// Only their addresses count.
std::array<char, 64> places;
lws *connection(std::size_t number) {
    return reinterpret_cast<lws *>(&places.at(number));
}
const Connections::Clock::time_point start = Connections::Clock::now();

}  // namespace

TEST_CASE("a network has its share, the others theirs, and who goes makes room") {
    Connections connections(4, 2);
    const auto first = connections.admit("a", false), second = connections.admit("a", false);
    CHECK_FALSE(first.too_many());
    CHECK(connections.admit("a", false).surplus == Connections::Surplus::of_address);
    CHECK_FALSE(connections.admit("b", false).too_many());
    CHECK_FALSE(connections.admit("a", true).too_many());  // a proxy
    CHECK(connections.admit("c", false).surplus == Connections::Surplus::of_all);
    CHECK(connections.admit("a", true).surplus == Connections::Surplus::of_all);
    CHECK(connections.standing() == 4);
    connections.dismiss(first);
    CHECK_FALSE(connections.admit("c", false).too_many());
    connections.add(connection(0), second, start);
    connections.remove(connection(0));
    connections.remove(connection(0));
    CHECK(connections.standing() == 3);
}

TEST_CASE("of those that are too many the oldest gives way, and none of them counts") {
    Connections connections(1, 1);
    connections.admit("a", false);
    for (std::size_t i = 0; i < 8; i++) {
        const auto spare = connections.admit("b", false);
        CHECK(connections.give_way() == nullptr);
        connections.add(connection(i), spare, start);
    }
    CHECK(connections.standing() == 1);
    CHECK(connections.give_way() == connection(0));
    CHECK(connections.refused() == 1);
    CHECK(connections.give_way() == nullptr);
    connections.add(connection(8), connections.admit("b", false), start);
    connections.remove(connection(1));
    connections.add(connection(9), connections.admit("b", false), start);
    CHECK(connections.give_way() == connection(2));
    CHECK(connections.standing() == 1);
}

TEST_CASE("each has its deadline, and is told to end once") {
    Connections connections(2, 2);
    connections.add(connection(0), connections.admit("a", false), start + 10s);
    connections.add(connection(1), connections.admit("a", false), start + 20s);
    connections.add(connection(2), connections.admit("a", false), start + 1h);  // too many: soon
    CHECK(connections.expired(start + 1s).empty());
    auto ended = connections.expired(start + 15s);
    std::sort(ended.begin(), ended.end());
    CHECK(ended == std::vector<lws *>{connection(0), connection(2)});
    CHECK(connections.expired(start + 15s).empty());
    connections.find(connection(1))->deadline = Connections::never;
    CHECK(connections.expired(start + 24h).empty());
    CHECK(connections.refused() == 1);
    CHECK(connections.find(connection(3)) == nullptr);
}
