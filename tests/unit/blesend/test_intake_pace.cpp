#include "blesend/intake_pace.hpp"

#include "catch.hpp"

using namespace ble;

namespace {

using std::chrono::milliseconds;

const IntakePace::Clock::time_point start{std::chrono::hours(1)};

IntakePace::Clock::time_point at(int ms) {
    return start + milliseconds(ms);
}

IntakePace looked_at_start() {
    IntakePace pace(128);
    pace.looked(start);
    return pace;
}

}  // namespace

TEST_CASE("the first look is due at once") {
    CHECK(IntakePace(128).is_due(start));
    CHECK_FALSE(IntakePace(128).has_enough(1000, start, start));
}

TEST_CASE("input is looked at when it comes, and now and then when nothing is heard of it") {
    IntakePace pace = looked_at_start();
    CHECK_FALSE(pace.is_due(at(99)));
    CHECK(pace.is_due(at(100)));
    pace.input_came();
    CHECK(pace.is_due(at(1)));
    pace.looked(at(1));
    CHECK_FALSE(pace.is_due(at(2)));
}

TEST_CASE("while batches leave and enough wait, the input may wait too") {
    const IntakePace pace = looked_at_start();
    CHECK(pace.has_enough(128, at(1), at(2)));
    CHECK_FALSE(pace.has_enough(127, at(1), at(2)));
}

TEST_CASE("while nothing leaves, all that comes is taken at once") {
    const IntakePace pace = looked_at_start();
    CHECK_FALSE(pace.has_enough(1000, at(-1), at(2)));
}

TEST_CASE("whoever writes to us does not wait for long, whatever waits here") {
    const IntakePace pace = looked_at_start();
    CHECK(pace.has_enough(1000, at(98), at(99)));
    CHECK_FALSE(pace.has_enough(1000, at(98), at(100)));
}
