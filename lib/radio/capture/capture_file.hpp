// Capture files: btsnoop, pcap, pcapng and Apple's PacketLogger, each as it is or compressed by gzip, as a stream of packets. The
// format shows in the first bytes.
//
// btsnoop: data links 1001 (HCI), 1002 (H4), 2001 (Linux monitor). pcap: micro- and nanoseconds, both byte orders.
// pcapng: several sections and interfaces, any if_tsresol and if_tsoffset, both byte orders; enhanced, simple and
// obsolete packet blocks (a simple one has no time: it gets that of the packet before it).
// Link types of both: link_type.hpp.
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
    // How many packets are not understood: "12 packets that are not understood (of link type 1, 105)"; empty: none. Error(data) out of
    // next() at the end of the capture when there was nothing else in it.
    std::string left_out() const;
    // Why reading ended before the end of a well-formed file: "ends inside a record at byte 4711"; empty: it did not.
    std::string problem() const;

    class Format;

  private:
    ByteSource &source_;
    std::unique_ptr<Format> format_;
};

}  // namespace ble
