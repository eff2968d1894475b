// Prints each advertising report as a line: --each.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/counters.hpp"
#include "base/line_writer.hpp"
#include "radio/air/report.hpp"
#include "radio/window/filter.hpp"
#include "radio/window/report_row.hpp"

namespace ble {

// Writes {"timestamp","address","address_type","event_type","rssi","data"} lines: the time in UTC with six decimals,
// rssi null when not available, the data as hex. One object reuses its buffer and the last second's text.
class ReportLine {
  public:
    // Without LF; valid until the next call. With `names`, the name of an identity behind the others.
    const std::string &print(const Report &report, bool names = false);

  private:
    void append_time(Time time);

    std::string line_;
    std::string second_text_;  // "2026-11-22T06:30:10."
    std::chrono::sys_seconds second_ = std::chrono::sys_seconds::max();
};

class ReportPrinter : public ReportSink {
  public:
    struct Options {
        int min_rssi_dbm = -127;  // weaker reports are left out, and those without RSSI, unless it is -127
        Filter filter;            // judges each report by itself
        bool names = false;       // of identities
        std::uint64_t count = 0;  // 0: no end
        std::optional<ReportRowLook> table = {};  // rows for people, not JSON
    };
    // What the filter hides is counted in counters.hidden, which has an entry for each of the filter's reasons.
    ReportPrinter(LineWriter &writer, Counters &counters, Options options)
        : writer_(writer), counters_(counters), options_(std::move(options)) {}

    // From the next report on: a filter with the same reasons as the one before.
    void judge_by(Filter filter) { options_.filter = std::move(filter); }

    void advance(Time) override {}
    void add(const Report &report) override;
    void listens(bool, Time) override {}
    std::optional<Time> due() const override { return std::nullopt; }
    bool satisfied() const override { return options_.count > 0 && printed_ >= options_.count; }
    void finish() override {}

    std::uint64_t weak() const { return weak_; }  // reports that were left out

  private:
    bool hides(const Report &report);

    LineWriter &writer_;
    Counters &counters_;
    Options options_;
    std::uint64_t printed_ = 0, weak_ = 0;
    Advertisement scratch_;
    ReportLine line_;
};

}  // namespace ble
