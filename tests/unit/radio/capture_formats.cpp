#include "catch.hpp"

#include "base/error.hpp"
#include "captures.hpp"

using namespace captures;

namespace {

void check_one_report(const Bytes &capture, std::uint64_t us = sample_us) {
    const auto got = read(capture);
    CHECK(got.problem.empty());
    CHECK(got.malformed == 0);
    REQUIRE(got.reports.size() == 1);
    const auto &[report, data, adapter] = got.reports[0];
    CHECK(micros(report.timestamp) == us);
    CHECK(ble::format_address(report.address) == "c0:11:22:33:44:01");
    CHECK(report.address.type == ble::AddressType::random_device);
    CHECK(report.event_type == 3);
    CHECK(report.rssi_dbm == -60);
    CHECK(data == from_hex("020106"));
}

// Why the capture is refused; empty: it is not.
std::string refusal(const Bytes &capture) {
    try {
        read(capture);
        return "";
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::data);
        return error.what();
    }
}

const Bytes direction = u32(1, true);
const Bytes monitor = u16(0, true) + u16(3, true);  // adapter 0, opcode: event

}  // namespace

TEST_CASE("link type 254 names the adapter in each packet, and parts are joined within one adapter only") {
    constexpr std::uint16_t complete = 0x00, more = 0x20;
    const Bytes second = u16(1, true) + u16(3, true);
    const auto record = [](std::uint64_t us, const Bytes &data) {
        return u32(us / 1'000'000, false) + u32(us % 1'000'000, false) + u32(data.size(), false) +
               u32(data.size(), false) + data;
    };
    const auto got = read(pcap_header(254, false, false) +
                          record(sample_us, monitor + extended_event(more, from_hex("0201"))) +
                          record(sample_us, second + extended_event(more, from_hex("0301"))) +
                          record(sample_us, monitor + extended_event(complete, from_hex("06"))) +
                          record(sample_us, second + extended_event(complete, from_hex("0707"))));
    REQUIRE(got.reports.size() == 2);
    CHECK(got.reports[0].adapter == "hci0");
    CHECK(got.reports[0].data == from_hex("020106"));
    CHECK(got.reports[1].adapter == "hci1");
    CHECK(got.reports[1].data == from_hex("03010707"));
}

TEST_CASE("parts are joined within one interface only, in whatever section") {
    constexpr std::uint16_t complete = 0x00, more = 0x20;
    const auto start = section(false) + interface(187, false) + interface(187, false);
    const auto part = [](unsigned interface_id, std::uint16_t type, const std::string &hex) {
        return enhanced(interface_id, sample_us, h4(extended_event(type, from_hex(hex))), false);
    };
    const auto got = read(start + part(0, more, "0201") + part(1, more, "0301") + part(0, complete, "06") +
                          part(1, complete, "0707"));
    REQUIRE(got.reports.size() == 2);
    CHECK(got.reports[0].data == from_hex("020106"));
    CHECK(got.reports[1].data == from_hex("03010707"));
    const auto sections = read(start + part(0, more, "0201") + start + part(0, complete, "06"));
    REQUIRE(sections.reports.size() == 2);
}

TEST_CASE("btsnoop: each data link frames its packets in its own way") {
    check_one_report(btsnoop_header(1001) + btsnoop_record(legacy_event(), 3));
    check_one_report(btsnoop_header(1002) + btsnoop_record(h4(legacy_event())));
    check_one_report(btsnoop_header(2001) + btsnoop_record(legacy_event(), 0x00010003));
}

TEST_CASE("btsnoop: packets that are no received events are not read as such") {
    for (const std::uint32_t flags : {0u, 1u, 2u})
        CHECK(read(btsnoop_header(1001) + btsnoop_record(legacy_event(), flags)).reports.empty());
    CHECK(read(btsnoop_header(1002) + btsnoop_record(Bytes{0x02} + legacy_event())).reports.empty());
    for (const std::uint32_t opcode : {0u, 2u, 4u, 12u})
        CHECK(read(btsnoop_header(2001) + btsnoop_record(legacy_event(), opcode)).reports.empty());
}

TEST_CASE("btsnoop: other data links and versions are refused by name") {
    CHECK(refusal(btsnoop_header(1004)).find("data link 1004") != std::string::npos);
    auto version = btsnoop_header(1002);
    version[11] = 2;
    CHECK(refusal(version).find("version 1") != std::string::npos);
}

TEST_CASE("btsnoop: a time before 1970 is printed as 1970") {
    check_one_report(btsnoop_header(1002) + btsnoop_record(h4(legacy_event()), 3, 0ull - 5'000'000), 0);
}

TEST_CASE("pcap: both byte orders, both resolutions, each link type") {
    for (const bool big : {false, true})
        for (const bool nanoseconds : {false, true}) {
            const auto record = [&](const Bytes &data) { return pcap_record(data, big, nanoseconds); };
            check_one_report(pcap_header(187, big, nanoseconds) + record(h4(legacy_event())));
            check_one_report(pcap_header(201, big, nanoseconds) + record(direction + h4(legacy_event())));
            check_one_report(pcap_header(254, big, nanoseconds) + record(monitor + legacy_event()));
        }
}

TEST_CASE("pcap: the bits above the link type say nothing about it") {
    check_one_report(pcap_header(0xf40000bb, false) + pcap_record(h4(legacy_event()), false));
}

TEST_CASE("pcap: a link type that is no HCI is refused by number") {
    CHECK(refusal(pcap_header(1, false)).find("link type 1 ") != std::string::npos);
}

TEST_CASE("pcapng: both byte orders, each link type, each kind of packet block") {
    for (const bool big : {false, true}) {
        const auto start = [&](unsigned link) { return section(big) + interface(link, big); };
        check_one_report(start(187) + enhanced(0, sample_us, h4(legacy_event()), big));
        check_one_report(start(201) + enhanced(0, sample_us, direction + h4(legacy_event()), big));
        check_one_report(start(254) + enhanced(0, sample_us, monitor + legacy_event(), big));
        check_one_report(start(187) + obsolete(0, sample_us, h4(legacy_event()), big));
        check_one_report(start(187) + block(0x0bad, Bytes(40), big) +
                         enhanced(0, sample_us, h4(legacy_event()), big));
    }
}

TEST_CASE("pcapng: if_tsresol and if_tsoffset make microseconds") {
    const auto at = [](std::optional<std::uint8_t> resolution, std::uint64_t ticks,
                       std::optional<std::int64_t> offset = {}) {
        const auto got = read(section(false) + interface(187, false, resolution, offset) +
                              enhanced(0, ticks, h4(legacy_event()), false));
        REQUIRE(got.reports.size() == 1);
        return micros(got.reports[0].report.timestamp);
    };
    CHECK(at({}, 1'234'567) == 1'234'567);
    CHECK(at(6, 1'234'567) == 1'234'567);
    CHECK(at(9, 1'234'567'999) == 1'234'567);
    CHECK(at(3, 1'234) == 1'234'000);
    CHECK(at(0, 77) == 77'000'000);
    CHECK(at(12, 5'000'000'999'999) == 5'000'000);
    CHECK(at(25, ~0ull) == 1);
    CHECK(at(26, ~0ull) == 0);
    CHECK(at(127, ~0ull) == 0);
    CHECK(at(0x80, 3) == 3'000'000);
    CHECK(at(0x80 | 10, 1536) == 1'500'000);
    CHECK(at(0x80 | 32, (7ull << 32) + (1ull << 31)) == 7'500'000);
    CHECK(at(0x80 | 40, (7ull << 40) + (1ull << 39)) == 7'500'000);
    CHECK(at(0x80 | 63, 1ull << 63) == 1'000'000);
    CHECK(at(0xff, ~0ull) == 0);
    CHECK(at(6, 1'000'000, 1'600'000'000) == 1'600'000'001'000'000);
    CHECK(at(6, 5'000'000, -2) == 3'000'000);
    CHECK(at(6, 5'000'000, -9) == 0);
    CHECK(at(6, 0, INT64_MAX) == 253'370'764'799'999'999);
    CHECK(at(6, 0, INT64_MIN) == 0);
    CHECK(at(0, ~0ull) == 253'370'764'799'999'999);
}

TEST_CASE("pcapng: packets belong to the interface they name") {
    const auto got =
        read(section(false) + interface(1, false) + interface(187, false, 3) + interface(254, false, 9) +
             enhanced(0, 1, h4(legacy_event()), false) + enhanced(1, 1'000, h4(legacy_event()), false) +
             enhanced(2, 2'000'000'000, monitor + legacy_event(), false));
    CHECK(got.packets == 2);  // and one that is of no link type that is read
    REQUIRE(got.reports.size() == 2);
    CHECK(micros(got.reports[0].report.timestamp) == 1'000'000);
    CHECK(micros(got.reports[1].report.timestamp) == 2'000'000);
}

TEST_CASE("pcapng: a second section has its own byte order and interfaces") {
    const auto got =
        read(section(false) + interface(254, false) + enhanced(0, 1, monitor + legacy_event(), false) +
             section(true) + interface(187, true) + enhanced(0, 2, h4(legacy_event()), true));
    CHECK(got.problem.empty());
    REQUIRE(got.reports.size() == 2);
    CHECK(micros(got.reports[1].report.timestamp) == 2);
}

TEST_CASE("pcapng: a simple packet block has the time of the packet before it") {
    const auto got =
        read(section(false) + interface(187, false) + simple(h4(legacy_event()), false) +
             enhanced(0, sample_us, h4(legacy_event()), false) + simple(h4(legacy_event()), false));
    REQUIRE(got.reports.size() == 3);
    CHECK(micros(got.reports[0].report.timestamp) == 0);
    CHECK(micros(got.reports[2].report.timestamp) == sample_us);
    CHECK(got.reports[2].data == from_hex("020106"));
}

TEST_CASE("pcapng: a packet of an interface that was not described is damage") {
    const auto got = read(section(false) + interface(187, false) + enhanced(1, 1, h4(legacy_event()), false));
    CHECK(got.problem.find("damaged at byte") != std::string::npos);
}

TEST_CASE("sniffers: each link type tells of a packet in its own way") {
    const Bytes packet = air_packet(2, from_hex("0144332211c0") + from_hex("020106"));  // ADV_NONCONN_IND
    for (const bool big : {false, true}) {
        check_one_report(pcap_header(256, big) + pcap_record(with_radio(0, packet), big));
        check_one_report(section(big) + interface(256, big) +
                         enhanced(0, sample_us, with_radio(0, packet), big));
        for (const std::uint8_t version : Bytes{1, 2, 3})
            check_one_report(pcap_header(272, big) + pcap_record(by_nordic(37, packet, version), big));
    }
    const auto got = read(pcap_header(251, false) + pcap_record(packet, false));
    REQUIRE(got.reports.size() == 1);
    CHECK(got.reports[0].report.rssi_dbm == ble::Report::not_available);
    CHECK(got.reports[0].data == from_hex("020106"));
}

TEST_CASE("sniffers: an RSSI that is said not to be valid is not available") {
    Bytes record = with_radio(0, air_packet(0, from_hex("0144332211c0")));
    record[8] &= 0xfd;
    const auto got = read(pcap_header(256, false) + pcap_record(record, false));
    REQUIRE(got.reports.size() == 1);
    CHECK(got.reports[0].report.rssi_dbm == ble::Report::not_available);
}

TEST_CASE("sniffers: what is of an unknown version is refused when there is nothing else, else left out") {
    const Bytes packet = air_packet(0, from_hex("0144332211c0"));
    for (const std::uint8_t version : Bytes{0, 4, 255}) {
        const Bytes record = by_nordic(37, packet, version);
        CHECK(refusal(pcap_header(272, false) + pcap_record(record, false)).find("link type 272") !=
              std::string::npos);
        const auto got = read(pcap_header(272, false) + pcap_record(by_nordic(37, packet), false) +
                              pcap_record(record, false));
        CHECK(got.packets == 1);
        CHECK(got.reports.size() == 1);
    }
}

TEST_CASE("the primary channels are 0, 12 and 39 of the radio's frequencies") {
    CHECK(ble::channel_of_frequency_index(0) == 37);
    CHECK(ble::channel_of_frequency_index(12) == 38);
    CHECK(ble::channel_of_frequency_index(39) == 39);
    CHECK(ble::channel_of_frequency_index(40) == ble::AirPacket::no_channel);
    std::vector<std::uint8_t> others;
    for (std::uint8_t index = 1; index < 39; ++index)
        if (index != 12) others.push_back(ble::channel_of_frequency_index(index));
    for (std::size_t i = 0; i < others.size(); ++i) CHECK(others[i] == i);
    CHECK(others.size() == 37);
}

TEST_CASE("PacketLogger: both byte orders, and only events are read") {
    for (const bool big : {false, true}) {
        check_one_report(packet_logger_record(legacy_event(), big));
        for (const std::uint8_t kind : from_hex("0002030809f7fcff"))
            CHECK(read(packet_logger_record(legacy_event(), big, sample_us, kind)).reports.empty());
    }
}

TEST_CASE("PacketLogger: a time that has no year of four digits does no harm") {
    for (const bool big : {false, true}) {
        const Bytes record = u32(9 + legacy_event().size(), big) + u32(0xffffffff, big) + u32(999'999, big) +
                             Bytes{1} + legacy_event();
        check_one_report(record, 4'294'967'295'999'999);
    }
}

TEST_CASE("no capture file at all is refused") {
    CHECK(refusal({}).find("is empty") != std::string::npos);
    CHECK(refusal(from_hex("00")).find("no capture file") != std::string::npos);
    CHECK(refusal(Bytes(100, 'x')).find("no capture file") != std::string::npos);
}

TEST_CASE("a record longer than any packet is damage, and what stands before it is read") {
    const Bytes huge = u32(0x7fffffff, true);
    auto got = read(btsnoop_header(1002) + btsnoop_record(h4(legacy_event())) + huge + huge + Bytes(64));
    CHECK(got.reports.size() == 1);
    CHECK(got.problem.find("damaged at byte") != std::string::npos);
    got = read(pcap_header(187, false) + pcap_record(h4(legacy_event()), false) + Bytes(8) + huge + huge +
               Bytes(64));
    CHECK(got.reports.size() == 1);
    CHECK(got.problem.find("damaged at byte") != std::string::npos);
    got = read(section(false) + interface(187, false) + enhanced(0, 1, h4(legacy_event()), false) +
               u32(6, false) + u32(0x7ffffffc, false) + Bytes(64));
    CHECK(got.reports.size() == 1);
    CHECK(got.problem.find("damaged at byte") != std::string::npos);
}

TEST_CASE("a long block of an unknown kind is skipped without being held") {
    const Bytes padding(3'000'000);
    const auto got = read(section(false) + interface(187, false) + block(0x4242, padding, false) +
                          enhanced(0, 1, h4(legacy_event()), false));
    CHECK(got.problem.empty());
    CHECK(got.reports.size() == 1);
}

TEST_CASE("a capture cut at any byte gives what is whole, and says that it was cut") {
    const Bytes event = h4(legacy_event());
    struct Kind {
        Bytes header, record;
    };
    const Kind kinds[] = {
        {btsnoop_header(1002), btsnoop_record(event)},
        {pcap_header(187, true), pcap_record(event, true)},
        {section(false) + interface(187, false, 9), enhanced(0, sample_us * 1000, event, false)},
        {pcap_header(256, false), pcap_record(with_radio(0, air_packet(0, from_hex("0144332211c0"))), false)},
        {{}, packet_logger_record(legacy_event(), true)},
    };
    for (const auto &[header, record] : kinds) {
        const Bytes whole = header + record + record;
        for (std::size_t length = 0; length <= whole.size(); ++length) {
            const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            INFO("cut to " << length << " of " << whole.size());
            const bool pcapng = !header.empty() && header[0] == 0x0a;
            constexpr std::size_t logger_head = 13;  // the format shows in that much
            if (length < (pcapng ? section(false).size() : header.empty() ? logger_head : header.size())) {
                CHECK_THROWS_AS(read(cut), ble::Error);
                continue;
            }
            const auto got = read(cut);
            const std::size_t records = length < header.size() ? 0 : (length - header.size()) / record.size();
            const bool between = length == header.size() + records * record.size() ||
                                 (pcapng && length == section(false).size());
            CHECK(got.reports.size() == records);
            CHECK(got.problem.empty() == between);
        }
    }
}
