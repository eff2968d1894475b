#include "catch.hpp"

#include "captures.hpp"
#include "radio/air/ad_structure.hpp"
#include "radio/air/beacon.hpp"
#include "radio/air/company.hpp"
#include "radio/window/profile.hpp"

using namespace captures;

namespace {

// Keeps the data alive that the advertisement points into.
struct Parsed : ble::Advertisement {
    Bytes data;
    explicit Parsed(const std::string &hex) : data(from_hex(hex)) { ble::read_advertisement(data, *this); }
};

std::string beacon(const std::string &hex, ble::BeaconKind kind) {
    ble::Beacons beacons;
    ble::read_beacons(Parsed(hex), beacons);
    return beacons[static_cast<std::size_t>(kind)];
}

}  // namespace

TEST_CASE("every kind of AD structure is read") {
    const Parsed got(
        "020106"
        "020af4"
        "03198000"
        "03094869"
        "0303aafe"
        "0516aafe1020"
        "05ff4c000102");
    CHECK(got.flags == 6);
    CHECK(got.tx_power_dbm == -12);
    CHECK(got.appearance == 128);
    CHECK(got.local_name == "Hi");
    REQUIRE(got.service_uuids.size() == 1);
    CHECK(ble::format_uuid(got.service_uuids[0]) == "0000feaa-0000-1000-8000-00805f9b34fb");
    REQUIRE(got.service_data.size() == 1);
    CHECK(got.service_data[0].data.size() == 2);
    REQUIRE(got.manufacturer_data.size() == 1);
    CHECK(got.manufacturer_data[0].company_id == 76);
}

TEST_CASE("reading again forgets what was read before") {
    Parsed ad(
        "020106020af40319800003094869"
        "0303aafe"
        "0516aafe1020"
        "05ff4c000102");
    ble::read_advertisement({}, ad);
    CHECK_FALSE(ad.flags);
    CHECK_FALSE(ad.tx_power_dbm);
    CHECK_FALSE(ad.appearance);
    CHECK_FALSE(ad.local_name);
    CHECK(ad.service_uuids.empty());
    CHECK(ad.service_data.empty());
    CHECK(ad.manufacturer_data.empty());
}

TEST_CASE("a structure that runs past the end, is too short or empty does no harm") {
    CHECK(Parsed("020106"
                 "20ff")
              .flags == 6);
    CHECK(Parsed("00000000020106").flags == 6);  // padding before
    CHECK(Parsed("01"
                 "0a"
                 "02ff01"
                 "021601"
                 "020106")
              .flags == 6);
    CHECK_FALSE(Parsed("0101").flags);
    CHECK_FALSE(Parsed("ff").local_name);
    CHECK(Parsed("0409410042").local_name == "A");  // up to the NUL
    CHECK_FALSE(Parsed("0109").local_name);
    CHECK_FALSE(Parsed("03090041").local_name);
}

TEST_CASE("one structure may list several UUIDs, and service data may be empty") {
    const Parsed uuids(
        "2107"
        "112233445566778899aabbccddeeff00"
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    REQUIRE(uuids.service_uuids.size() == 2);
    CHECK(ble::format_uuid(uuids.service_uuids[0]) == "00ffeedd-ccbb-aa99-8877-665544332211");
    CHECK(ble::format_uuid(uuids.service_uuids[1]) == "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f");
    const Parsed empty("03160a18");
    REQUIRE(empty.service_data.size() == 1);
    CHECK(ble::format_uuid(empty.service_data[0].uuid) == "0000180a-0000-1000-8000-00805f9b34fb");
    CHECK(empty.service_data[0].data.empty());
}

TEST_CASE("an iBeacon needs all of its 21 bytes and Apple's company identifier") {
    const std::string frame =
        "0215"
        "e2c56db5dffb48d2b060d0f5a71096e0"
        "0102"
        "0304"
        "c5";
    CHECK(beacon("1aff4c00" + frame, ble::BeaconKind::ibeacon) ==
          R"({"uuid":"e2c56db5-dffb-48d2-b060-d0f5a71096e0","major":258,"minor":772,"tx_power":-59})");
    CHECK(beacon("1aff4d00" + frame, ble::BeaconKind::ibeacon).empty());
    CHECK(beacon("19ff4c00" + frame.substr(0, 44), ble::BeaconKind::ibeacon).empty());
}

TEST_CASE("an AltBeacon is known by its code, whoever made it") {
    CHECK(
        beacon("1bff1801beac"
               "e2c56db5dffb48d2b060d0f5a71096e0"
               "00010002c57f",
               ble::BeaconKind::altbeacon) ==
        R"({"uuid":"e2c56db5-dffb-48d2-b060-d0f5a71096e0","major":1,"minor":2,"tx_power":-59,"reserved":"7f"})");
}

TEST_CASE("Eddystone frames are told apart by their first byte") {
    using ble::BeaconKind;
    CHECK(beacon("1516aafe00ee"
                 "00112233445566778899"
                 "aabbccddeeff",
                 BeaconKind::eddystone_uid) ==
          R"({"tx_power":-18,"namespace":"00112233445566778899","instance":"aabbccddeeff"})");
    CHECK(beacon("0e16aafe10ee"
                 "02"
                 "6578616d706c6507",
                 BeaconKind::eddystone_url) == R"({"tx_power":-18,"url":"http://example.com"})");
    CHECK(beacon("1116aafe2000"
                 "0bb8"
                 "1540"
                 "00000010"
                 "00000065",
                 BeaconKind::eddystone_tlm) ==
          R"({"voltage_mv":3000,"temperature_c":21.25,"advertisements":16,"uptime_s":10.1})");
    CHECK(beacon("1116aafe2000"
                 "0000"
                 "8000"
                 "00000010"
                 "00000064",
                 BeaconKind::eddystone_tlm) ==
          R"({"voltage_mv":null,"temperature_c":null,"advertisements":16,"uptime_s":10.0})");
    CHECK(beacon("1116aafe2000"
                 "0bb8"
                 "ff80"
                 "00000010"
                 "00000064",
                 BeaconKind::eddystone_tlm)
              .find("-0.50") != std::string::npos);
    CHECK(beacon("1516aafe2001"
                 "000102030405060708090a0b"
                 "1234"
                 "abcd",
                 BeaconKind::eddystone_tlm) ==
          R"({"etlm":"000102030405060708090a0b","salt":"1234","mic":"abcd"})");
    CHECK(beacon("0d16aafe30ee"
                 "0011223344556677",
                 BeaconKind::eddystone_eid) == R"({"tx_power":-18,"eid":"0011223344556677"})");
}

TEST_CASE("an Eddystone URL of reserved bytes is none") {
    CHECK(beacon("0716aafe10ee0220", ble::BeaconKind::eddystone_url).empty());
    CHECK(beacon("0816aafe10ee024120", ble::BeaconKind::eddystone_url).empty());
    CHECK(beacon("0616aafe10ee04", ble::BeaconKind::eddystone_url).empty());
}

TEST_CASE("a profile gathers what several reports say") {
    ble::Profile profile;
    const auto hear = [&](const std::string &hex) {
        const Parsed ad(hex);
        profile.add(ble::Report{}, ad);
    };
    hear(
        "020106"
        "0303aafe"
        "1516aafe00ee00112233445566778899aabbccddeeff"
        "03084142");
    hear(
        "0516aafe2000"
        "05ff4c001005"
        "050941222fff");
    hear("03085858");  // a shortened name does not replace the complete one
    ble::RssiCounts rssi;
    rssi.add(-50);
    rssi.add(-70);
    ble::CompanyNames companies("/nonexistent");
    ble::ProfileOptions all{true, true, true};
    CHECK(
        profile.print(all, *ble::parse_address("c01122334401"), rssi, companies) ==
        R"({"address":"c0:11:22:33:44:01","local_name":"A\"/)"
        "\xef\xbf\xbd"
        R"(","rssi_min":-70,"rssi_max":-50,)"
        R"("address_type":"public","flags":6,"company_id":76,)"
        R"("service_uuids":["0000feaa-0000-1000-8000-00805f9b34fb"],"manufacturer_data":{"76":"1005"},)"
        R"("service_data":{"0000feaa-0000-1000-8000-00805f9b34fb":"2000"},)"
        R"("beacon":{"eddystone_uid":{"tx_power":-18,"namespace":"00112233445566778899","instance":"aabbccddeeff"}}})");
    CHECK(profile.print({false, false, true}, {}, rssi, companies).find("address") == std::string::npos);
    CHECK(profile.print({true, false, false}, {}, rssi, companies).find("local_name") == std::string::npos);
}

TEST_CASE("a profile tells how many reports hold only the beginning of their data") {
    ble::RssiCounts rssi;
    rssi.add(-50);
    ble::CompanyNames companies("/nonexistent");
    ble::Profile profile;
    const auto said = [&] { return profile.print({true, false, false}, {}, rssi, companies); };
    ble::Report report;
    for (const int event_type : {0x00, 0x13, 0x1a}) {  // whole
        report.extended = true;
        report.event_type = static_cast<std::uint16_t>(event_type);
        profile.add(report, {});
    }
    report.event_type = 0x40;
    report.extended = false;
    profile.add(report, {});
    report.event_type = ble::Report::event_type_unknown;
    profile.add(report, {});
    CHECK(said().find("truncated") == std::string::npos);
    report.extended = true;
    for (const int event_type : {0x40, 0x4a, 0x40}) {
        report.event_type = static_cast<std::uint16_t>(event_type);
        profile.add(report, {});
    }
    CHECK(said().find(R"("truncated":3,)") != std::string::npos);
}

TEST_CASE("a profile stays small whatever an advertiser sends") {
    ble::Profile profile;
    for (unsigned i = 0; i < 3000; ++i) {
        Bytes data{0x13, 0x16, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)};
        data.resize(20);
        data = data + Bytes{0x13, 0xff} + u16(i, false) + Bytes(16) + Bytes{0x03, 0x03} + u16(i, false);
        ble::Advertisement ad;
        ble::read_advertisement(data, ad);
        profile.add(ble::Report{}, ad);
    }
    ble::RssiCounts rssi;
    rssi.add(-50);
    ble::CompanyNames companies("/nonexistent");
    CHECK(profile.print({true, false, false}, {}, rssi, companies).size() < 8000);
}

// systemd's compiled database: a header, a trie (here one node with one pattern), and strings.
static Bytes hardware_database() {
    const std::string strings = std::string("\0bluetooth:v004C*\0", 18) +
                                std::string(" ID_VENDOR_FROM_DATABASE\0", 25) +
                                std::string("Apple, Inc.\0", 12);
    constexpr std::uint64_t header = 80, node = 24, child = 16, value = 32;
    const std::uint64_t text = header + node + value;
    Bytes out{'K', 'S', 'L', 'P', 'H', 'H', 'R', 'H'};
    for (const std::uint64_t field : {std::uint64_t{252}, text + strings.size(), header, node, child, value,
                                      header, node + value, std::uint64_t{strings.size()}})
        out = out + u64(field, false);
    out = out + u64(text + 1, false) + Bytes(8) + u64(1, false);  // prefix, no children, one value
    out = out + u64(text + 18, false) + u64(text + 43, false) + u64(text, false) +
          Bytes(8);  // key, value, file, line
    return out + Bytes(strings.begin(), strings.end());
}

TEST_CASE("company names come from systemd's database, and its absence is no error") {
    CHECK_FALSE(ble::CompanyNames("/nonexistent/hwdb.bin").available());
    CHECK(ble::CompanyNames("/nonexistent/hwdb.bin").find(76).empty());
    char path[] = "/tmp/blepipe-hwdb-XXXXXX";
    const ble::UniqueFd fd(::mkstemp(path));
    const Bytes database = hardware_database();
    REQUIRE(::write(fd.get(), database.data(), database.size()) == static_cast<ssize_t>(database.size()));
    ble::CompanyNames companies(path);
    ::unlink(path);
    REQUIRE(companies.available());
    CHECK(companies.find(76) == "Apple, Inc.");
    CHECK(companies.find(76) == "Apple, Inc.");
    CHECK(companies.find(77).empty());
}
