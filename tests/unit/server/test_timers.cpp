#include <poll.h>

#include <string>

#include "catch.hpp"
#include "server/timers.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {

void wait_for(const Timers &timers) {
    pollfd ask{timers.fd(), POLLIN, 0};
    REQUIRE(poll(&ask, 1, -1) == 1);
}

bool readable(const Timers &timers) {
    pollfd ask{timers.fd(), POLLIN, 0};
    return poll(&ask, 1, 0) == 1;
}

}  // namespace

TEST_CASE("those that are due are called in the order of their times, once") {
    Timers timers;
    std::string order;
    const auto a = timers.add([&] { order += 'a'; }), b = timers.add([&] { order += 'b'; }),
               c = timers.add([&] { order += 'c'; });
    timers.arm(a, 3ms);
    timers.arm(b, 1ms);
    timers.arm(c, 10h);
    while (order.size() < 2) {
        wait_for(timers);
        timers.expire();
    }
    CHECK(order == "ba");
    timers.expire();
    CHECK(order == "ba");
    CHECK_FALSE(readable(timers));
}

TEST_CASE("an earlier time is waited for in place of a later one, and the later one after it") {
    Timers timers;
    std::string order;
    const auto a = timers.add([&] { order += 'a'; }), b = timers.add([&] { order += 'b'; });
    timers.arm(a, 5ms);
    timers.arm(b, 500us);
    while (order.size() < 2) {
        wait_for(timers);
        timers.expire();
    }
    CHECK(order == "ba");
}

TEST_CASE("a timer that is disarmed, or put off, wakes once in vain at most") {
    Timers timers;
    int calls = 0;
    const auto timer = timers.add([&] { ++calls; });
    timers.arm(timer, 1us);
    SECTION("disarmed") {
        timers.disarm(timer);
    }
    SECTION("put off") {
        timers.arm(timer, 10h);
    }
    wait_for(timers);
    timers.expire();
    CHECK(calls == 0);
    CHECK_FALSE(readable(timers));
}

TEST_CASE("a callback may add and arm others, and itself") {
    Timers timers;
    int calls = 0;
    std::size_t first = 0;
    first = timers.add([&] {
        if (++calls == 3) return;
        for (int i = 0; i < 100; ++i) timers.add([] {});
        timers.arm(first, 1us);
    });
    timers.arm(first, 1us);
    while (calls < 3) {
        wait_for(timers);
        timers.expire();
    }
    CHECK(calls == 3);
}
