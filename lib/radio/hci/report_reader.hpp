// Advertising reports out of a stream of HCI packets, whether recorded or heard just now: parsed, joined, counted.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/counters.hpp"
#include "radio/air/report.hpp"
#include "radio/hci/fragment_joiner.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

class ReportReader {
  public:
    // Called with each report; its data and adapter are valid during the call. Counted as `in`.
    using Sink = std::function<void(const Report &)>;
    ReportReader(Counters &counters, Sink sink);
    ReportReader(const ReportReader &) = delete;
    ReportReader &operator=(const ReportReader &) = delete;

    // Passes the packet's reports on, or holds them until they are whole. Malformed events are counted as `rejected`.
    void read(const HciPacket &packet);
    // Hands on what is held.
    void finish();

  private:
    struct Adapter {
        std::string name;
        FragmentJoiner joiner;
    };
    Adapter &adapter(std::uint16_t index);

    Counters &counters_;
    Sink sink_;
    std::map<std::uint16_t, Adapter> adapters_;  // by index
    std::vector<Report> reports_;
};

}  // namespace ble
