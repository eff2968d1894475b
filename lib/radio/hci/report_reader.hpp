// Advertising reports out of a stream of HCI packets, recorded or live: parsed, joined, counted.
//
// They leave in the order in which they were heard: while a part waits for its rest, later reports wait
// too. Windows by the packets' times need clock(), so that none ends while a report of it waits.
#pragma once

#include <algorithm>
#include <deque>
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
    // Its time may be ahead of clock(), since it has waited.
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
    // The clock has reached `now`: passes on what has waited too long for its rest. Call it with each packet's time before
    // all else.
    void advance(Time now);
    // How far the clock of the reports has come: up to `now`, but not beyond what is held.
    Time clock(Time now) const { return std::min(now, joiner_.earliest().value_or(now)); }
    bool holds() const { return joiner_.earliest().has_value(); }
    // Hands on what is held.
    void finish();

    static constexpr std::size_t most_waiting = 4096;  // reports behind a part; then it waits no longer

  private:
    struct Waiting {
        Report report;
        std::vector<std::uint8_t> data;
    };

    void pass(const Report &report);
    void hand_on(const Report &report);
    void release();
    bool reports_of(const HciPacket &packet);
    const std::string &name(std::uint16_t adapter);

    Counters &counters_;
    Sink sink_;
    Heard heard_;
    FragmentJoiner joiner_;
    LinkLayerReader air_;
    std::uint64_t wrong_checksums_ = 0;
    std::map<std::uint16_t, std::string> names_;  // of adapters, by index; they stay where they are
    std::vector<Report> reports_;
    std::deque<Waiting> waiting_;  // by their times
};

}  // namespace ble
