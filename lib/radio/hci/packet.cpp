#include "radio/hci/packet.hpp"

namespace ble {

void unwrap_h4(HciPacket &packet) {
    if (packet.data.empty()) return;
    packet.type = packet.data[0];
    packet.data = packet.data.subspan(1);
}

void unwrap_monitor(std::uint16_t opcode, HciPacket &packet) {
    constexpr std::uint16_t event_packet = 3, system_note = 12;
    packet.type = opcode == event_packet ? HciPacket::event : opcode == system_note ? HciPacket::note : 0;
}

HciPacket MonitorPacket::hci() const {
    HciPacket packet{timestamp, 0, data, adapter};
    unwrap_monitor(opcode, packet);
    return packet;
}

}  // namespace ble
