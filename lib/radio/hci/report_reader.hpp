// Advertising reports out of a stream of HCI packets, whether recorded or heard just now: parsed, joined, counted.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/counters.hpp"
#include "radio/air/report.hpp"
#include "radio/hci/fragment_joiner.hpp"
#include "radio/hci/link_layer.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

class ReportReader {
  public:
    // Called with each report; its data and adapter are valid during the call. Counted as `in`.
    using Sink = std::function<void(const Report &)>;
    // Called at once for each report and part of one, before it is joined; empty: nobody asks.
    using Heard = std::function<void(const Report &)>;
    ReportReader(Counters &counters, Sink sink, Heard heard = {});
    ReportReader(const ReportReader &) = delete;
    ReportReader &operator=(const ReportReader &) = delete;

    // Packets of a sniffer that were damaged on the air, and left out.
    std::uint64_t wrong_checksums() const { return wrong_checksums_; }

    // Passes the packet's reports on, or holds them until they are whole. Malformed events are counted as `rejected`.
    void read(const HciPacket &packet);
    // The clock has reached `now`: hands on what has waited too long for its rest. To be called with each packet's time before
    // anybody else hears of it, so that what was held is still in time.
    void advance(Time now) { joiner_.advance(now); }
    bool holds() const { return joiner_.holds(); }
    // Hands on what is held.
    void finish();

  private:
    bool reports_of(const HciPacket &packet);
    const std::string &name(std::uint16_t adapter);

    Counters &counters_;
    Heard heard_;
    FragmentJoiner joiner_;
    LinkLayerReader air_;
    std::uint64_t wrong_checksums_ = 0;
    std::map<std::uint16_t, std::string> names_;  // of adapters, by index; they stay where they are
    std::vector<Report> reports_;
};

}  // namespace ble
