#include "catch.hpp"

#include "captures.hpp"

using namespace captures;

namespace {

// Extended events, a millisecond apart unless said otherwise, through a capture file.
struct Script {
    Bytes capture = btsnoop_header(1002);
    std::uint64_t us = sample_us;

    Script &event(const Bytes &event, std::uint64_t step_us = 1000) {
        capture = capture + btsnoop_record(h4(event), 3, us);
        us += step_us;
        return *this;
    }
    Read read() const { return captures::read(capture); }
};

constexpr std::uint16_t complete = 0x00, more = 0x20, truncated = 0x40, scan_response = 0x08,
                        legacy_pdu = 0x10;

Bytes letters(std::size_t count, std::uint8_t letter) {
    return Bytes(count, letter);
}

}  // namespace

TEST_CASE("data in several parts is joined into one report with the last part's time") {
    const auto got = Script()
                         .event(extended_event(more, letters(229, 'a'), 0xc4))
                         .event(extended_event(more, letters(229, 'b'), 0xc5))
                         .event(extended_event(complete, letters(10, 'c'), 0x7f))
                         .read();
    REQUIRE(got.reports.size() == 1);
    CHECK(got.reports[0].data == letters(229, 'a') + letters(229, 'b') + letters(10, 'c'));
    CHECK(got.reports[0].report.event_type == 0);
    CHECK(got.reports[0].report.rssi_dbm == -59);  // the last one that is known
    CHECK(micros(got.reports[0].report.timestamp) == sample_us + 2000);
}

TEST_CASE("data that the controller cut off is reported as truncated") {
    const auto got = Script()
                         .event(extended_event(more, letters(5, 'a')))
                         .event(extended_event(truncated, letters(5, 'b')))
                         .event(extended_event(truncated, letters(5, 'c')))
                         .read();
    REQUIRE(got.reports.size() == 2);
    CHECK(got.reports[0].data == letters(5, 'a') + letters(5, 'b'));
    CHECK(got.reports[0].report.event_type == truncated);
    CHECK(got.reports[1].data == letters(5, 'c'));
    CHECK(got.reports[1].report.event_type == truncated);
}

TEST_CASE("parts of different advertisers, sets and scan responses do not mix") {
    const auto got = Script()
                         .event(extended_event(more, letters(2, 'a'), 0xc4, 1))
                         .event(extended_event(more, letters(2, 'b'), 0xc4, 2))
                         .event(extended_event(more, letters(2, 'c'), 0xc4, 1, 5))
                         .event(extended_event(more | scan_response, letters(2, 'd'), 0xc4, 1))
                         .event(extended_event(complete | scan_response, letters(1, 'D'), 0xc4, 1))
                         .event(extended_event(complete, letters(1, 'C'), 0xc4, 1, 5))
                         .event(extended_event(complete, letters(1, 'B'), 0xc4, 2))
                         .event(extended_event(complete, letters(1, 'A'), 0xc4, 1))
                         .read();
    REQUIRE(got.reports.size() == 4);
    const char *expected[] = {"ddD", "ccC", "bbB", "aaA"};
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(std::string(got.reports[i].data.begin(), got.reports[i].data.end()) == expected[i]);
}

TEST_CASE("legacy advertisements pass between the parts of another") {
    const auto got = Script()
                         .event(extended_event(more, letters(2, 'a')))
                         .event(extended_event(0x03 | legacy_pdu, letters(2, 'x')))
                         .event(legacy_event())
                         .event(extended_event(complete, letters(2, 'b')))
                         .read();
    REQUIRE(got.reports.size() == 3);
    CHECK(got.reports[0].data == letters(2, 'x'));
    CHECK(got.reports[2].data == letters(2, 'a') + letters(2, 'b'));
}

TEST_CASE("a later part without an address belongs to its adapter's set") {
    auto tail = extended_event(complete, letters(2, 'b'), 0xc4, 0, 1);
    for (const std::size_t at : {7, 8, 9, 10, 11, 12}) tail[at] = 0;
    const auto got = Script()
                         .event(extended_event(more, letters(2, 'x'), 0xc4, 1, 2))
                         .event(extended_event(more, letters(2, 'a'), 0xc4, 1, 1))
                         .event(tail)
                         .read();
    REQUIRE(got.reports.size() == 2);
    CHECK(got.reports[0].report.event_type == truncated);
    CHECK(got.reports[1].data == letters(2, 'a') + letters(2, 'b'));
    CHECK(got.reports[1].report.event_type == complete);
    CHECK(ble::format_address(got.reports[1].report.address) == "c0:11:22:33:44:01");
}

TEST_CASE("reports leave in the order in which they were heard, whatever waits for its rest") {
    const auto got = Script()
                         .event(extended_event(more, letters(2, 'a'), 0xc4, 1), 10'000)
                         .event(extended_event(more, letters(2, 'b'), 0xc4, 2), 10'000)
                         .event(extended_event(complete, letters(2, 'B'), 0xc4, 2), 10'000)
                         .event(legacy_event(), 100'000)
                         .event(legacy_event())
                         .read();
    REQUIRE(got.reports.size() == 4);
    for (std::size_t i = 0; const std::uint64_t ms : {0, 20, 30, 130})
        CHECK(micros(got.reports[i++].report.timestamp) == sample_us + ms * 1000);
    CHECK(got.reports[0].data == letters(2, 'a'));
    CHECK(got.reports[1].data == letters(2, 'b') + letters(2, 'B'));
}

TEST_CASE("behind a part that waits there is room for so many reports and no more") {
    ble::Counters counters;
    std::size_t out = 0, most = 0;
    ble::ReportReader reader(counters, [&](const ble::Report &) { ++out; });
    const ble::Time at{std::chrono::seconds(1'700'000'000)};
    const auto part = extended_event(more, letters(2, 'a')), other = legacy_event();
    reader.read({at, ble::HciPacket::event, part});
    for (std::size_t i = 1; i <= 3 * ble::ReportReader::most_waiting; ++i) {
        reader.read({at + std::chrono::microseconds(1), ble::HciPacket::event, other});
        most = std::max(most, i + 1 - out);
    }
    CHECK(out == 3 * ble::ReportReader::most_waiting + 1);
    CHECK(most == ble::ReportReader::most_waiting);
}

TEST_CASE("parts that nothing completes are reported as truncated, none is lost") {
    SECTION("at the end of the capture") {
        const auto got = Script().event(extended_event(more, letters(2, 'a'))).read();
        REQUIRE(got.reports.size() == 1);
        CHECK(got.reports[0].report.event_type == truncated);
        CHECK(got.reports[0].data == letters(2, 'a'));
    }
    SECTION("when the next part comes too late") {
        const auto got = Script()
                             .event(extended_event(more, letters(2, 'a')), 2'000'000)
                             .event(extended_event(complete, letters(2, 'b')))
                             .read();
        REQUIRE(got.reports.size() == 2);
        CHECK(got.reports[0].report.event_type == truncated);
        CHECK(got.reports[1].data == letters(2, 'b'));
    }
    SECTION("when the first part comes again and again, each time at its own time") {
        for (const unsigned step_us : {20'000u, 100'000u}) {
            Script script;
            for (unsigned i = 0; i < 30; ++i) script.event(extended_event(more, letters(20, 'a')), step_us);
            const auto got = script.read();
            REQUIRE(got.reports.size() == 30);
            for (unsigned i = 0; i < 30; ++i) {
                CHECK(got.reports[i].report.event_type == truncated);
                CHECK(got.reports[i].data == letters(20, 'a'));
                CHECK(micros(got.reports[i].report.timestamp) == sample_us + i * step_us);
            }
        }
    }
    SECTION("when beginnings that differ come without their rest") {
        Script script;
        for (std::uint8_t i = 0; i < 30; ++i) script.event(extended_event(more, letters(20, i)), 100'000);
        const auto got = script.read();
        REQUIRE(got.reports.size() == 30);
        for (const auto &heard : got.reports) CHECK(heard.report.event_type == truncated);
    }
    SECTION("a second after the first part, however fast others follow") {
        Script script;
        for (unsigned i = 0; i < 110; ++i)
            script.event(extended_event(more, letters(5, static_cast<std::uint8_t>(i))), 10'000);
        const auto got = script.read();
        REQUIRE(got.reports.size() == 2);
        CHECK(got.reports[0].data.size() == 5 * 101);
        CHECK(got.reports[0].report.event_type == truncated);
    }
    SECTION("and a tail that comes after its beginning was given up is marked as well, what follows is not") {
        const auto got = Script()
                             .event(extended_event(more, letters(2, 'a')), 200'000)
                             .event(extended_event(complete, letters(2, 'b')), 200'000)
                             .event(extended_event(complete, letters(2, 'c')))
                             .read();
        REQUIRE(got.reports.size() == 3);
        CHECK(got.reports[0].report.event_type == truncated);
        CHECK(got.reports[1].report.event_type == truncated);
        CHECK(got.reports[2].report.event_type == complete);
    }
    SECTION("when a legacy advertiser's event moves the clock: before that") {
        const auto got =
            Script().event(extended_event(more, letters(2, 'a')), 90'000).event(legacy_event()).read();
        REQUIRE(got.reports.size() == 2);
        CHECK(got.reports[0].data == letters(2, 'a'));
        CHECK(micros(got.reports[0].report.timestamp) == sample_us);
    }
    SECTION(
        "when listening began in the middle: a tail looks like whole data, and a middle is joined with it") {
        const auto tail = Script().event(extended_event(complete, letters(2, 'c'))).read();
        REQUIRE(tail.reports.size() == 1);
        CHECK(tail.reports[0].data == letters(2, 'c'));
        const auto rest = Script()
                              .event(extended_event(more, letters(2, 'b')))
                              .event(extended_event(complete, letters(2, 'c')))
                              .read();
        REQUIRE(rest.reports.size() == 1);
        CHECK(rest.reports[0].data == letters(2, 'b') + letters(2, 'c'));
        CHECK(rest.reports[0].report.event_type == complete);
    }
    SECTION("when listening ends in the middle: its tail does not go to what comes after") {
        std::vector<std::string> heard;
        ble::FragmentJoiner joiner([&](const ble::Report &report) {
            heard.emplace_back(report.data.begin(), report.data.end());
            CHECK((report.event_type == truncated) == (heard.size() == 1));
        });
        const auto add = [&](std::uint16_t type, const Bytes &data) {
            ble::Report report;
            report.extended = true;
            report.event_type = type;
            report.data = data;
            joiner.add(report, 0);
        };
        add(more, letters(2, 'a'));
        joiner.finish();
        add(complete, letters(2, 'b'));
        CHECK(heard == std::vector<std::string>{"aa", "bb"});
    }
    SECTION("when too many are open") {
        Script script;
        for (unsigned i = 0; i < 100; ++i)
            script.event(extended_event(more, letters(2, 'a'), 0xc4, static_cast<std::uint8_t>(i)));
        CHECK(script.read().reports.size() == 100);
    }
    SECTION("when they grow beyond the longest data there is") {
        Script script;
        for (std::uint8_t i = 0; i < 20; ++i) script.event(extended_event(more, letters(200, i)));
        const auto got = script.event(extended_event(complete, letters(200, 'a'))).read();
        REQUIRE(got.reports.size() == 1);
        CHECK(got.reports[0].data.size() == ble::FragmentJoiner::longest_data);
        CHECK(got.reports[0].report.event_type == truncated);
    }
}
