#include "radio/hci/event.hpp"

#include <algorithm>

#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

constexpr std::uint8_t le_meta_event = 0x3e;
constexpr std::uint8_t advertising_report = 0x02, directed_report = 0x0b, extended_report = 0x0d;

using Bytes = std::span<const std::uint8_t>;

// HCI sends addresses least significant byte first.
Address read_address(std::uint8_t type, const std::uint8_t *bytes) {
    Address address;
    address.type = AddressType{type};
    std::reverse_copy(bytes, bytes + 6, address.bytes.begin());
    return address;
}

std::int8_t signed_dbm(std::uint8_t byte) {
    return known_dbm(static_cast<std::int8_t>(byte));
}

// Each reads one report from the front of `rest`, and takes it off; false: it is cut short.

bool read_legacy(Bytes &rest, Report &report) {
    if (rest.size() < 10) return false;
    const std::size_t length = rest[8];
    if (rest.size() < 10 + length) return false;
    report.event_type = rest[0];
    report.address = read_address(rest[1], rest.data() + 2);
    report.data = rest.subspan(9, length);
    report.rssi_dbm = signed_dbm(rest[9 + length]);
    rest = rest.subspan(10 + length);
    return true;
}

// Directed advertising to a resolvable address: no data, and the address it is directed to is not reported on.
bool read_directed(Bytes &rest, Report &report) {
    if (rest.size() < 16) return false;
    report.event_type = rest[0];
    report.address = read_address(rest[1], rest.data() + 2);
    report.rssi_dbm = signed_dbm(rest[15]);
    rest = rest.subspan(16);
    return true;
}

bool read_extended(Bytes &rest, Report &report) {
    constexpr std::uint16_t defined_bits = 0x7f;
    if (rest.size() < 24) return false;
    const std::size_t length = rest[23];
    if (rest.size() < 24 + length) return false;
    report.extended = true;
    report.event_type = load_little<std::uint16_t>(rest.data()) & defined_bits;
    report.address = read_address(rest[2], rest.data() + 3);
    report.advertising_set = rest[11];
    report.tx_power_dbm = signed_dbm(rest[12]);
    report.rssi_dbm = signed_dbm(rest[13]);
    report.data = rest.subspan(24, length);
    rest = rest.subspan(24 + length);
    return true;
}

}  // namespace

bool read_reports(const HciPacket &packet, std::vector<Report> &reports) {
    const Bytes event = packet.data;
    if (packet.type != HciPacket::event) return true;
    if (event.size() < 2) return false;
    if (event[0] != le_meta_event) return true;
    if (event[1] == 0 || event.size() < 3) return false;
    const auto subevent = event[2];
    const auto read = subevent == advertising_report ? read_legacy
                      : subevent == extended_report  ? read_extended
                      : subevent == directed_report  ? read_directed
                                                     : nullptr;
    if (!read) return true;
    const std::size_t length = event[1];
    Bytes rest = event.subspan(2, std::min(length, event.size() - 2));
    if (rest.size() < 2) return false;
    const unsigned count = rest[1];
    rest = rest.subspan(2);
    for (unsigned i = 0; i < count; ++i) {
        Report report;
        report.timestamp = packet.timestamp;
        if (!read(rest, report)) return false;
        reports.push_back(report);
    }
    return true;
}

}  // namespace ble
