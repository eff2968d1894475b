// What blescan writes: reports go in, whatever their source, and lines come out.
#pragma once

#include <memory>

#include "base/counters.hpp"
#include "base/lifecycle.hpp"
#include "base/line_writer.hpp"
#include "blescan/options.hpp"
#include "radio/air/report.hpp"

namespace ble {

class Output {
  public:
    virtual ~Output() = default;
    virtual ReportSink &sink() = 0;
    // From the next window on, or with --each from the next report: other rules, read from the same options.
    virtual void renew(const Rules &rules) = 0;
    // Tells people which reports are in no line, and why. After the sink's finish().
    virtual void say_left_out() const = 0;
};

// Batches, or with --each reports. Each batch is flushed, and counted as `out` as is each report. All arguments must
// outlive the result, which SIGHUP makes read its rules again.
std::unique_ptr<Output> make_output(const ScanOptions &options, LineWriter &writer, Counters &counters,
                                    Lifecycle &life);

}  // namespace ble
