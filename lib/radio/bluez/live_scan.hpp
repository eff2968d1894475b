// The loop of a live scan: waits for its sources and for the wall clock, and drives a sink by it.
#pragma once

#include <span>

#include "base/lifecycle.hpp"
#include "base/line_writer.hpp"
#include "radio/bluez/live_source.hpp"

namespace ble {

// Runs until the tool is asked to stop or the sink is satisfied, then finishes the sink; it is finished and begins anew
// also when the sources stop listening for a while. What was written is flushed before each wait. Errors of the sources
// come out.
void scan_live(std::span<LiveSource *const> sources, ReportSink &sink, Lifecycle &life, LineWriter &writer);

}  // namespace ble
