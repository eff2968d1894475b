#include "radio/hci/packet.hpp"

namespace ble {

std::uint8_t channel_of_frequency_index(std::uint8_t index) {
    if (index == 0) return 37;
    if (index == 12) return 38;
    if (index == 39) return 39;
    if (index > 39) return AirPacket::no_channel;
    return static_cast<std::uint8_t>(index < 12 ? index - 1 : index - 2);
}

void unwrap_h4(HciPacket &packet) {
    if (packet.data.empty()) return;
    packet.type = packet.data[0];
    packet.data = packet.data.subspan(1);
}

void unwrap_monitor(std::uint16_t opcode, HciPacket &packet) {
    constexpr std::uint16_t deleted = 1, command_packet = 2, event_packet = 3, closed = 9, system_note = 12;
    packet.type = opcode == event_packet                  ? HciPacket::event
                  : opcode == command_packet              ? HciPacket::command
                  : opcode == deleted || opcode == closed ? HciPacket::gone
                  : opcode == system_note                 ? HciPacket::note
                                                          : 0;
}

HciPacket MonitorPacket::hci() const {
    HciPacket packet{timestamp, 0, data, adapter};
    unwrap_monitor(opcode, packet);
    return packet;
}

}  // namespace ble
