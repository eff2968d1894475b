#include <array>

#include "catch.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/report_row.hpp"

using namespace ble;

namespace {

constexpr std::array<std::uint8_t, 3> data = {2, 1, 6};

Report report() {
    Report one;
    one.timestamp = *parse_rfc3339("2026-11-22T06:30:10.123456Z");
    one.address = {{0xc4, 0xf7, 0xc1, 0x4c, 0xc1, 0xc0}, AddressType::random_device};
    one.rssi_dbm = -67;
    one.data = data;
    return one;
}

}  // namespace

TEST_CASE("a report for people: aligned, with units") {
    CHECK(print_report_row(report(), {}) ==
          "06:30:10.123456  c4:f7:c1:4c:c1:c0 random           ADV_IND          -67 dBm  [ 3] 02 01 06");
    Report other = report();
    other.rssi_dbm = Report::not_available;
    other.event_type = 0x0d;
    other.extended = true;
    other.address.type = AddressType::public_identity;
    CHECK(print_report_row(other, {}) ==
          "06:30:10.123456  c4:f7:c1:4c:c1:c0 public_identity  EXT CDR            - dBm  [ 3] 02 01 06");
    other.event_type = Report::event_type_unknown;
    CHECK(print_report_row(other, {}).find("public_identity  -     ") != std::string::npos);
}

TEST_CASE("a report for people has colours where they are wanted, by its strength") {
    ReportRowLook how;
    how.look.colour = true;
    CHECK(print_report_row(report(), how).find("\x1b[33m -67 dBm\x1b[0m") != std::string::npos);
    how.near_dbm = -70;
    CHECK(print_report_row(report(), how).find("\x1b[32m -67 dBm\x1b[0m") != std::string::npos);
}
