// Capture files: btsnoop, pcap and pcapng, as a stream of HCI packets. The format shows in the first bytes.
//
// btsnoop: data links 1001 (HCI), 1002 (H4), 2001 (Linux monitor). pcap: micro- and nanoseconds, both byte orders.
// pcapng: several sections and interfaces, any if_tsresol and if_tsoffset, both byte orders; enhanced, simple and
// obsolete packet blocks (a simple one has no time: it gets that of the packet before it).
// Link types of both: 187 (H4), 201 (H4 with direction), 254 (Linux monitor).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/timestamp.hpp"
#include "radio/byte_source.hpp"

namespace ble {

struct HciPacket {
    static constexpr std::uint8_t event = 4;   // the H4 packet type
    static constexpr std::uint8_t note = 128;  // no packet, but a text for readers (monitor only)
    static constexpr std::uint16_t no_adapter = 0xffff;

    Time timestamp{};
    std::uint8_t type = 0;               // H4 packet type, or note; 0: something else that was recorded
    std::span<const std::uint8_t> data;  // without the packet type
    std::uint16_t adapter = no_adapter;  // 0 is hci0; btsnoop's data link 2001 only
};

class CaptureFile {
  public:
    // Reads the file header. Error(data) when this is no capture of a kind named above.
    explicit CaptureFile(ByteSource &source);
    ~CaptureFile();

    // The next packet in file order, of any type; its data is valid until the next call. Empty: the end, or problem().
    std::optional<HciPacket> next();
    // Why reading ended before the end of a well-formed file: "ends inside a record at byte 4711"; empty: it did not.
    const std::string &problem() const;

    class Format;

  private:
    std::unique_ptr<Format> format_;
};

}  // namespace ble
