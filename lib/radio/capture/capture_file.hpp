// Capture files: btsnoop, pcap and pcapng, as a stream of HCI packets. The format shows in the first bytes.
//
// btsnoop: data links 1001 (HCI), 1002 (H4), 2001 (Linux monitor). pcap: micro- and nanoseconds, both byte orders.
// pcapng: several sections and interfaces, any if_tsresol and if_tsoffset, both byte orders; enhanced, simple and
// obsolete packet blocks (a simple one has no time: it gets that of the packet before it).
// Link types of both: 187 (H4), 201 (H4 with direction), 254 (Linux monitor).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "radio/capture/byte_source.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

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
