// One packet between a host and its Bluetooth controller, recorded or live; or one that a sniffer heard on the air.
#pragma once

#include <cstdint>
#include <span>

#include "base/timestamp.hpp"

namespace ble {

// What a sniffer says about a packet that it heard on the air.
struct AirPacket {
    static constexpr std::uint8_t no_channel = 0xff;
    enum class Checksum { not_told, right, wrong };

    std::uint8_t channel = no_channel;  // 0 to 39; 37 to 39 are the primary advertising channels
    std::int8_t rssi_dbm = 127;         // a value of known_dbm()
    Checksum checksum = Checksum::not_told;
    bool coded = false;  // of LE Coded: the coding indicator follows the access address
};

// The channel of the radio frequency 2402 + 2 * `index` MHz (Core Specification 5.4, Vol 6 Part B 1.4.1).
std::uint8_t channel_of_frequency_index(std::uint8_t index);

struct HciPacket {
    static constexpr std::uint8_t command = 1, event = 4;  // the H4 packet types
    static constexpr std::uint8_t note = 128;              // no packet, but a text for readers (monitor only)
    static constexpr std::uint8_t sniffed =
        129;  // no packet of HCI, but one of the link layer, from its access address on
    static constexpr std::uint8_t gone =
        130;  // no packet: the adapter was closed or unplugged (monitor only)
    static constexpr std::uint16_t no_adapter = 0xffff;

    Time timestamp{};
    std::uint8_t type = 0;  // H4 packet type, note, sniffed or gone; 0: something else that was recorded
    std::span<const std::uint8_t> data;  // without the packet type
    std::uint16_t adapter =
        no_adapter;               // 0 is hci0; the monitor channel, data link 2001 and link type 254 only
    std::uint32_t interface = 0;  // of the capture, when that has several: any number, of its own for each
    AirPacket air{};              // of a sniffed one
};

// Takes the H4 packet type (Core Specification 5.4, Vol 4 Part A 2) off the front of `packet.data`, and sets `type`.
void unwrap_h4(HciPacket &packet);

// As the Linux monitor channel and btsnoop's data link 2001 hold it.
struct MonitorPacket {
    Time timestamp{};           // of the kernel, when it got the packet
    std::uint16_t opcode = 0;   // as in btsnoop's data link 2001: 2 is an HCI command, 3 an event, 12 a note
    std::uint16_t adapter = 0;  // 0 is hci0; 0xffff: none
    std::span<const std::uint8_t> data;

    HciPacket hci() const;
};

// Sets `type` by the monitor channel's opcode.
void unwrap_monitor(std::uint16_t opcode, HciPacket &packet);

}  // namespace ble
