#include "catch.hpp"

#include "captures.hpp"

using namespace captures;

namespace {

struct Parsed {
    std::vector<ble::Report> reports;
    bool well_formed = false;
};

Parsed parse(const Bytes &event) {
    Parsed out;
    ble::HciPacket packet;
    packet.type = ble::HciPacket::event;
    packet.data = event;
    out.well_formed = ble::read_reports(packet, out.reports);
    return out;
}

Bytes one_legacy(std::uint8_t last, const Bytes &data, std::uint8_t rssi, std::uint8_t address_type = 0) {
    return Bytes{0x00, address_type, last,
                 0x44, 0x33,         0x22,
                 0x11, 0xc0,         static_cast<std::uint8_t>(data.size())} +
           data + Bytes{rssi};
}

Bytes legacy(std::uint8_t count, const Bytes &reports) {
    return Bytes{0x3e, static_cast<std::uint8_t>(reports.size() + 2), 0x02, count} + reports;
}

}  // namespace

TEST_CASE("one event may hold several reports, whatever their data says") {
    const Bytes broken_data = from_hex("09ff00");  // an AD structure that runs past the end
    const auto got = parse(legacy(2, one_legacy(1, broken_data, 0xc4) + one_legacy(2, {}, 0xb0)));
    CHECK(got.well_formed);
    REQUIRE(got.reports.size() == 2);
    CHECK(got.reports[0].rssi_dbm == -60);
    CHECK(got.reports[0].data.size() == 3);
    CHECK(got.reports[1].rssi_dbm == -80);
    CHECK(ble::format_address(got.reports[1].address) == "c0:11:22:33:44:02");
}

TEST_CASE("an event that promises more reports than it holds gives those it holds") {
    const auto got = parse(legacy(3, one_legacy(1, {}, 0xc4)));
    CHECK_FALSE(got.well_formed);
    CHECK(got.reports.size() == 1);
}

TEST_CASE("an event without its parameters is malformed") {
    for (const auto *hex : {"", "3e", "3e00", "3e01", "3e0002", "3e0102", "3e0202", "3e010d", "0e"})
        CHECK_FALSE(parse(from_hex(hex)).well_formed);
    for (const auto *hex : {"0e00", "3e0101", "3e020200"}) CHECK(parse(from_hex(hex)).well_formed);
}

TEST_CASE("an RSSI is -127 to 20 dBm, all else is not available") {
    for (const int dbm : {-127, -1, 0, 20})
        CHECK(parse(legacy(1, one_legacy(1, {}, static_cast<std::uint8_t>(dbm)))).reports[0].rssi_dbm == dbm);
    for (const int dbm : {-128, 21, 127}) {
        const auto byte = static_cast<std::uint8_t>(dbm);
        CHECK(parse(legacy(1, one_legacy(1, {}, byte))).reports[0].rssi_dbm == ble::Report::not_available);
        CHECK(parse(extended_event(0, {}, byte)).reports[0].rssi_dbm == ble::Report::not_available);
    }
    CHECK(ble::known_dbm(-200) == ble::Report::not_available);
    CHECK(ble::known_dbm(300) == ble::Report::not_available);
}

TEST_CASE("an event cut at any byte gives its whole reports") {
    const Bytes whole =
        legacy(2, one_legacy(1, from_hex("020106"), 0xc4) + one_legacy(2, from_hex("020104"), 0xc4));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(parse(cut).reports.size() == (length >= 17 ? 1 : 0));
    }
    CHECK(parse(whole).reports.size() == 2);
}

TEST_CASE("the event's own length bounds its reports") {
    auto event = legacy(1, one_legacy(1, from_hex("020106"), 0xc4));
    event[1] = static_cast<std::uint8_t>(event[1] - 1);
    CHECK(parse(event).reports.empty());
    CHECK(parse(legacy(1, one_legacy(1, {}, 0xc4)) + Bytes(5)).reports.size() == 1);
}

TEST_CASE("all address types are kept") {
    const ble::AddressType types[] = {ble::AddressType::public_device, ble::AddressType::random_device,
                                      ble::AddressType::public_identity, ble::AddressType::random_identity};
    for (std::uint8_t type = 0; type < 4; ++type)
        CHECK(parse(legacy(1, one_legacy(1, {}, 0xc4, type))).reports.at(0).address.type == types[type]);
    CHECK(ble::address_type_name(ble::AddressType{0xff}) == "anonymous");
    CHECK(ble::address_type_name(ble::AddressType{0x42}) == "unknown");
}

TEST_CASE("reserved bits of an extended event type are cleared") {
    const auto got = parse(extended_event(0xff93, from_hex("020106"), 0x7f));
    CHECK(got.well_formed);
    REQUIRE(got.reports.size() == 1);
    CHECK(got.reports[0].event_type == 0x13);
    CHECK(got.reports[0].extended);
    CHECK(got.reports[0].rssi_dbm == ble::Report::not_available);
    CHECK(got.reports[0].advertising_set == 0);
}

TEST_CASE("a directed report has an address and an RSSI, and no data") {
    const auto got = parse(from_hex("3e12") + from_hex("0b01"
                                                       "01"
                                                       "01"
                                                       "0144332211c0"
                                                       "fe"
                                                       "665544332211"
                                                       "c4"));
    CHECK(got.well_formed);
    REQUIRE(got.reports.size() == 1);
    CHECK(ble::format_address(got.reports[0].address) == "c0:11:22:33:44:01");
    CHECK(got.reports[0].event_type == 1);
    CHECK(got.reports[0].rssi_dbm == -60);
    CHECK(got.reports[0].data.empty());
}

TEST_CASE("other events and other packets have no reports") {
    CHECK(parse(from_hex("0e0401030c00")).reports.empty());
    CHECK(parse(from_hex("3e0401000000")).reports.empty());
    CHECK(parse({}).reports.empty());
    std::vector<ble::Report> reports;
    const Bytes event = legacy_event();
    CHECK(ble::read_reports({ble::Time{}, 2, event}, reports));
    CHECK(reports.empty());
}
