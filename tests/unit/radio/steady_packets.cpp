#include "radio/capture/steady_packets.hpp"

#include "catch.hpp"

#include "captures.hpp"

using namespace captures;

namespace {

// The times that packets recorded at those seconds get, and whether each is still the packet it was.
std::vector<std::int64_t> times(const std::vector<std::int64_t> &recorded) {
    Bytes capture = btsnoop_header(1002);
    for (std::size_t i = 0; i < recorded.size(); ++i) {
        const auto event = legacy_event(Bytes{static_cast<std::uint8_t>(i)});
        capture = capture + btsnoop_record(h4(event), 3, static_cast<std::uint64_t>(recorded[i]) * 1'000'000);
    }
    const auto fd = memory_file(capture);
    ble::ByteSource source(fd.get(), "capture");
    ble::CaptureFile file(source);
    ble::SteadyPackets packets(file);
    std::vector<std::int64_t> out;
    while (const auto packet = packets.next()) {
        REQUIRE(packet->data.size() == 15);
        CHECK(packet->data[13] == out.size());
        out.push_back(static_cast<std::int64_t>(micros(packet->timestamp)) / 1'000'000);
    }
    return out;
}

using Times = std::vector<std::int64_t>;
constexpr std::int64_t t = 1'700'000'000, year = 31'536'000;

}  // namespace

TEST_CASE("one packet with an absurd clock gets the time of the packet before") {
    for (const std::int64_t ahead : {std::int64_t{11}, std::int64_t{3540}, year}) {
        CHECK(times({t, t + ahead, t, t + 1}) == Times{t, t, t, t + 1});
        CHECK(times({t, t + 1, t + 2, t + 2 - ahead, t + 3}) == Times{t, t + 1, t + 2, t + 2, t + 3});
    }
    CHECK(times({t, t + 5, t + year}) == Times{t, t + 5, t + 5});
}

TEST_CASE("an absurd first packet gets the time of those after it") {
    CHECK(times({t + year, t, t + 1}) == Times{t, t, t + 1});
    CHECK(times({t - year, t, t + 1}) == Times{t, t, t + 1});
    CHECK(times({t + year, t}) == Times{t + year, t});
    CHECK(times({t}) == Times{t});
}

TEST_CASE("a clock that is set and stays so, and a silence, are believed") {
    const Times silence{t, t + 15, t + 16, t + 30, t + 75, t + 90},
        set{t, t + 1, t + 3540, t + 3541, t + 3600}, back{t, t + 1, t - 3540, t - 3539, t - 3500},
        small_steps{t, t + 9, t, t + 10};
    CHECK(times(silence) == silence);
    CHECK(times(set) == set);
    CHECK(times(back) == back);
    CHECK(times(small_steps) == small_steps);
    CHECK(times({t, t + 45}) == Times{t, t + 45});
}
