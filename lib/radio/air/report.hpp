// One advertising report, as a controller hears it; and ReportSink, which takes reports.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/timestamp.hpp"
#include "radio/air/address.hpp"

namespace ble {

struct Identity;

// What a controller or bluetoothd says is an RSSI or a transmission power, in dBm: -127 to 20 are values (Core
// Specification 5.4, Vol 4 Part E 7.7.65.2 and .13), all others mean "not available", which is 127 here.
constexpr std::int8_t known_dbm(int value) {
    return static_cast<std::int8_t>(value >= -127 && value <= 20 ? value : 127);
}

struct Report {
    static constexpr std::int8_t not_available = known_dbm(127);  // of rssi_dbm and tx_power_dbm
    static constexpr std::uint16_t event_type_unknown = 0xffff;   // BlueZ does not tell it

    Time timestamp{};
    Address address;
    const Identity *identity = nullptr;  // who it is, when that is known; borrowed from an IdentityResolver
    // HCI's number. Legacy: 0 ADV_IND … 4 SCAN_RSP. Extended: bits 0 connectable, 1 scannable, 2 directed, 3 scan
    // response, 4 legacy PDU, 5-6 data status; reserved bits are cleared.
    std::uint16_t event_type = 0;
    bool truncated() const {
        return extended && event_type != event_type_unknown && (event_type >> 5 & 3) == 2;
    }
    bool extended = false;
    std::uint8_t advertising_set = 0xff;       // extended: Advertising_SID; 0xff: none
    std::int8_t rssi_dbm = not_available;      // a value of known_dbm()
    std::int8_t tx_power_dbm = not_available;  // extended: from the report's own field
    std::span<const std::uint8_t> data;        // AD structures, not validated; borrowed, see who hands it out
    std::string_view adapter;                  // that heard it, as in "hci0"; borrowed too; empty: not known
};

// Where reports go, from a capture or from a radio. One thread.
class ReportSink {
  public:
    virtual ~ReportSink() = default;

    // The reports' clock has reached `now`; it may also step back.
    virtual void advance(Time now) = 0;
    // A report heard at the clock's present. Its data is valid during the call.
    virtual void add(const Report &report) = 0;
    // From then on the radio listens, or rests. Until it is told that it rests, it listens.
    virtual void listens(bool on, Time since) = 0;
    // When advance() has something to do even if no report comes.
    virtual std::optional<Time> due() const = 0;
    // No more reports are wanted.
    virtual bool satisfied() const = 0;
    // Nothing more is heard, for ever or for a while: passes on what it holds. It may begin again after that.
    virtual void finish() = 0;
};

}  // namespace ble
