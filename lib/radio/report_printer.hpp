// Prints each advertising report as a line: --each.
#pragma once

#include <string>

#include "base/counters.hpp"
#include "base/line_writer.hpp"
#include "radio/report.hpp"

namespace ble {

// Writes {"timestamp","address","address_type","event_type","rssi","data"} lines: the time in UTC with six decimals,
// rssi null when not available, the data as hex. One object reuses its buffer and the last second's text.
class ReportLine {
  public:
    // Without LF; valid until the next call.
    const std::string &print(const Report &report);

  private:
    void append_time(Time time);

    std::string line_;
    std::string second_text_;  // "2026-11-22T06:30:10."
    std::chrono::sys_seconds second_ = std::chrono::sys_seconds::max();
};

class ReportPrinter : public ReportSink {
  public:
    // Reports weaker than `min_rssi_dbm` (unless -127, those without RSSI too) are left out. `count` 0: no end.
    ReportPrinter(LineWriter &writer, Counters &counters, int min_rssi_dbm, std::uint64_t count)
        : writer_(writer), counters_(counters), min_rssi_dbm_(min_rssi_dbm), count_(count) {}

    void advance(Time) override {}
    void add(const Report &report) override;
    std::optional<Time> due() const override { return std::nullopt; }
    bool satisfied() const override { return count_ > 0 && printed_ >= count_; }
    void finish() override {}

    std::uint64_t left_out() const { return left_out_; }

  private:
    LineWriter &writer_;
    Counters &counters_;
    int min_rssi_dbm_;
    std::uint64_t count_, printed_ = 0, left_out_ = 0;
    ReportLine line_;
};

}  // namespace ble
