// All reports that the kernel's monitor channel shows for the adapters that BlueZ scans for us. They can be
// recorded.
#pragma once

#include <memory>
#include <string>

#include "base/counters.hpp"
#include "radio/bluez/live_source.hpp"
#include "radio/bluez/monitor_socket.hpp"
#include "radio/bluez/scanner.hpp"
#include "radio/capture/btsnoop_writer.hpp"
#include "radio/capture/packet_clock.hpp"
#include "radio/hci/report_reader.hpp"
#include "radio/hci/scan_state.hpp"

namespace ble {

class MonitorSource : public LiveSource {
  public:
    // record: a file to be made; empty: none. Errors are those of MonitorSocket and BtsnoopWriter. Packets that the kernel
    // had to drop are counted as `dropped`. The sink gets the reports; the loop must drive clock() instead of the sink.
    // The scanner knows the adapters, and its watchdog is told of the reports.
    MonitorSource(const std::string &record, BluezScanner &scanner, ReportSink &sink, Counters &counters);

    ReportSink &clock() { return clock_; }
    bool recording_failed() const { return recorder_ && recorder_->failed(); }

    int fd() const override { return socket_.fd(); }
    short events() const override;
    std::optional<Clock::time_point> due() const override;  // while a part waits for its rest
    void handle(Time present, ReportSink &sink) override;
    bool listening() const override { return true; }
    bool alive() const override { return true; }

  private:
    void take(const MonitorPacket &packet);
    void look_for_drops();

    MonitorSocket socket_;
    Counters &counters_;
    BluezScanner &scanner_;
    std::unique_ptr<BtsnoopWriter> recorder_;
    PacketClock clock_;
    ReportReader reader_;
    ScanState scans_;
    std::uint64_t dropped_ = 0, told_ = 0;
    Clock::time_point complain_{};  // of drops again, not before
};

}  // namespace ble
