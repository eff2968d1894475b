// blescan without --replay: reports from a radio.
#pragma once

#include "base/counters.hpp"
#include "base/error.hpp"
#include "base/lifecycle.hpp"
#include "base/line_writer.hpp"
#include "blescan/options.hpp"

namespace ble {

ExitCode run_live(const ScanOptions &options, Counters &counters, Lifecycle &life, LineWriter &writer);

}  // namespace ble
