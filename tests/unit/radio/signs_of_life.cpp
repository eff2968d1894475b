#include "radio/bluez/signs_of_life.hpp"

#include "catch.hpp"

using ble::SignsOfLife;

TEST_CASE("data is a sign of life, whoever sends it") {
    SignsOfLife signs;
    CHECK(signs.is(1, true));
    CHECK(signs.is(2, true));
}

TEST_CASE("a report without data is one when its address was heard before") {
    SignsOfLife signs;
    CHECK_FALSE(signs.is(1, false));
    CHECK(signs.is(1, false));
    CHECK(signs.is(2, true));
    CHECK(signs.is(2, false));
}

TEST_CASE("ever new addresses without data are none, and do not fill the memory") {
    SignsOfLife signs;
    for (std::uint64_t address = 0; address < 10 * SignsOfLife::remembered; ++address)
        CHECK_FALSE(signs.is(address, false));
    CHECK(signs.is(10 * SignsOfLife::remembered - 1, false));
    CHECK(signs.is(9 * SignsOfLife::remembered, false));
    CHECK_FALSE(signs.is(1, false));
}
