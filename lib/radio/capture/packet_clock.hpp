// Drives a sink by the times of packets, in a loop that knows only the wall clock.
//
// The kernel gives a packet its time a little before a program can read it. A window that ended by the wall clock could
// miss such a packet. So the wall clock counts late here, and only while no packets come: the contents of a window depend only
// on the packets' times, and a recording gives the same windows again. After the clock was set, packets with earlier
// times may still come; so the step is believed when a second look finds none.
#pragma once

#include <functional>

#include "radio/air/report.hpp"

namespace ble {

class PacketClock : public ReportSink {
  public:
    static constexpr std::chrono::milliseconds late{200};

    // `tell` is called when the sink's clock begins (true) or ends (false), with the time of that. At the end it may still
    // add reports.
    using Tell = std::function<void(Time time, bool listening)>;
    PacketClock(ReportSink &sink, Tell tell) : sink_(sink), tell_(std::move(tell)) {}

    // A packet of that time has come.
    void packet(Time time);
    // A report in it: the clock begins with the first one at the latest.
    void add(const Report &report) override;
    void listens(bool on, Time since) override { sink_.listens(on, since); }

    // While somebody waits for the rest of a report, the wall clock does not count.
    void hold(bool held) { held_ = held; }

    // By the wall clock, as it was before the packets that have come since were read.
    void advance(Time now) override;
    std::optional<Time> due() const override;
    bool satisfied() const override { return sink_.satisfied(); }
    void finish() override;

  private:
    void begin(Time time);

    ReportSink &sink_;
    Tell tell_;
    bool begun_ = false, held_ = false;
    bool fresh_ = false;  // a packet has come since the last look at the wall clock
    bool set_ = false;    // at the last look the wall clock had been set, it seems
    Time latest_{};
};

}  // namespace ble
