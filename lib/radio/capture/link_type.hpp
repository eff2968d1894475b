// Link types of pcap and pcapng (tcpdump.org/linktypes.html): what stands around a packet in a record.
#pragma once

#include <cstdint>

#include "radio/hci/packet.hpp"

namespace ble {

// 187 (H4), 201 (H4 with direction), 254 (Linux monitor); of sniffers: 251 (link layer), 256 (with a radio header before it), 272
// (nRF Sniffer).
bool known_link_type(std::uint32_t link_type);
// For messages.
constexpr const char *known_link_types = "187, 201, 251, 254, 256 and 272";

// Sets type, adapter and data of `packet`, whose data is the whole record. False: it is not understood: of a link type that is not
// known, shorter than what stands around a packet, or of an unknown version of that.
bool unwrap(std::uint32_t link_type, HciPacket &packet);

}  // namespace ble
