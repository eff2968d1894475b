// Advertising reports from a sniffer: packets of the link layer on the advertising channels, as a controller would
// have reported them (Core Specification 5.4, Vol 6 Part B 2.3).
//
// Each packet of legacy advertising is a report. In extended advertising the first packet (ADV_EXT_IND) only points to another one, which has
// the data; that may point to further ones. They are followed as far as the capture has them. The parts are passed on as parts
// (data status 1), for a FragmentJoiner, with a number for each chain of them. Channel and set show which packet a pointer
// means; if the capture does not have the channel, a continuation must also come at the announced time.
// A continuation whose beginning is not in the capture is an anonymous, truncated report. Bounded: 256 pointers that wait.
#pragma once

#include <deque>
#include <vector>

#include "radio/air/report.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

class LinkLayerReader {
  public:
    static constexpr std::size_t most_pointers = 256;

    enum class Outcome { fine, malformed, wrong_checksum };

    // Appends the reports of a packet of the type HciPacket::sniffed to `reports`; their data points into the packet. Packets of
    // connections, and requests, have none. A packet with a wrong checksum (CRC) is damaged, and left out as a whole; the checksum is
    // computed if the capture does not say whether it is right.
    Outcome read(const HciPacket &packet, std::vector<Report> &reports);
    // The chain of packets that the last report is of: only parts of one are to be joined. The numbers come again after 65536 chains.
    std::uint16_t chain() const { return chain_; }

  private:
    struct Extended;
    // The packet that an ADV_EXT_IND, or one after it, points to.
    struct Pointer {
        std::uint32_t interface;
        std::uint16_t set;  // as in the ADI field: SID and DID; no_set: none
        std::uint8_t channel;
        bool has_data;  // it points to a continuation, not to a beginning
        std::uint16_t chain;
        Report report;  // who it was; without data
        Time due, until;
    };

    Outcome read_extended(const HciPacket &packet, std::span<const std::uint8_t> pdu,
                          std::vector<Report> &reports);
    bool take_pointer(const HciPacket &packet, const Extended &header, Pointer &found);
    void keep_pointer(const HciPacket &packet, const Extended &header, const Report &report, bool has_data);

    static bool may_be(const Pointer &pointer, const HciPacket &packet, const Extended &header);

    std::deque<Pointer> pointers_;  // the oldest first
    std::uint16_t chain_ = 0, last_chain_ = 0;
    Address asked_;    // of the last AUX_SCAN_REQ …
    Time asked_at_{};  // … and when it was
};

}  // namespace ble
