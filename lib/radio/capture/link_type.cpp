#include "radio/capture/link_type.hpp"

#include "radio/air/byte_order.hpp"
#include "radio/air/report.hpp"

namespace ble {

namespace {

constexpr std::uint32_t h4 = 187, h4_with_direction = 201, link_layer = 251, linux_monitor = 254,
                        link_layer_with_radio = 256, nordic_sniffer = 272;

bool unwrap_sniffed(HciPacket &packet, std::size_t head) {
    packet.type = HciPacket::sniffed;
    packet.data = packet.data.subspan(head);
    return true;
}

// tcpdump.org/linktypes/LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR.html
bool unwrap_with_radio(HciPacket &packet) {
    constexpr std::size_t head = 10;
    constexpr std::uint16_t dewhitened = 0x0001, signal_valid = 0x0002, crc_checked = 0x0400,
                            crc_valid = 0x0800, phy_mask = 0xc000, coded_phy = 0x8000;
    if (packet.data.size() < head) return false;
    const auto *bytes = packet.data.data();
    const auto flags = load_little<std::uint16_t>(bytes + 8);
    packet.air.channel = channel_of_frequency_index(bytes[0]);
    if (flags & signal_valid) packet.air.rssi_dbm = known_dbm(static_cast<std::int8_t>(bytes[1]));
    // Of data that is said to be whitened still, our own look at the checksum tells whether that is so.
    if ((flags & crc_checked) && (flags & dewhitened))
        packet.air.checksum = flags & crc_valid ? AirPacket::Checksum::right : AirPacket::Checksum::wrong;
    packet.air.coded = (flags & phy_mask) == coded_phy;
    return unwrap_sniffed(packet, head);
}

// The board's number, a header of 6 bytes with the protocol's version, and one of 10 bytes about the radio.
bool unwrap_nordic(HciPacket &packet) {
    constexpr std::size_t head = 17;
    constexpr std::uint8_t first_version = 1, last_version = 3, advertising = 2, of_a_connection = 6,
                           radio_header_size = 10, crc_right = 0x01, phy_mask = 0x70, coded_phy = 0x20;
    if (packet.data.size() < head) return false;
    const auto *bytes = packet.data.data();
    const auto version = bytes[3], kind = bytes[6];
    if (version < first_version || version > last_version || bytes[7] != radio_header_size) return false;
    if (kind != advertising && kind != of_a_connection) return false;  // version 1 has only the latter
    packet.air.channel = bytes[9];
    packet.air.rssi_dbm = known_dbm(-static_cast<int>(bytes[10]));
    packet.air.checksum = bytes[8] & crc_right ? AirPacket::Checksum::right : AirPacket::Checksum::wrong;
    packet.air.coded = (bytes[8] & phy_mask) == coded_phy;
    return unwrap_sniffed(packet, head);
}

bool unwrap_whole(HciPacket &packet) {
    if (packet.data.empty()) return false;
    unwrap_h4(packet);
    return true;
}

bool unwrap_direction(HciPacket &packet) {
    constexpr std::size_t head = 4;
    if (packet.data.size() < head) return false;
    packet.data = packet.data.subspan(head);
    return unwrap_whole(packet);
}

bool unwrap_linux(HciPacket &packet) {
    constexpr std::size_t head = 4;
    if (packet.data.size() < head) return false;
    const auto *bytes = packet.data.data();
    packet.data = packet.data.subspan(head);
    packet.adapter = load_big<std::uint16_t>(bytes);
    unwrap_monitor(load_big<std::uint16_t>(bytes + 2), packet);
    return true;
}

}  // namespace

bool known_link_type(std::uint32_t link_type) {
    return link_type == h4 || link_type == h4_with_direction || link_type == linux_monitor ||
           link_type == link_layer || link_type == link_layer_with_radio || link_type == nordic_sniffer;
}

bool unwrap(std::uint32_t link_type, HciPacket &packet) {
    switch (link_type) {
        case h4:
            return unwrap_whole(packet);
        case h4_with_direction:
            return unwrap_direction(packet);
        case link_layer:
            return unwrap_sniffed(packet, 0);
        case linux_monitor:
            return unwrap_linux(packet);
        case link_layer_with_radio:
            return unwrap_with_radio(packet);
        case nordic_sniffer:
            return unwrap_nordic(packet);
        default:
            return false;
    }
}

}  // namespace ble
