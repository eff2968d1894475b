// How a replay waits: for input or for the time, obeying signals, and with its output flushed while it waits.
#pragma once

#include <chrono>
#include <optional>

#include "base/lifecycle.hpp"
#include "base/line_writer.hpp"
#include "base/progress.hpp"

namespace ble {

class Waiter {
  public:
    using Clock = std::chrono::steady_clock;
    Waiter(Lifecycle &life, LineWriter &writer) : life_(life), writer_(writer) {}

    // Blocks until `fd` is readable (-1: none) or `until` has come; false: the tool is asked to stop.
    // `fraction` of the work is done, for the progress line; negative: not known.
    bool wait(int fd, std::optional<Clock::time_point> until, double fraction);

  private:
    Lifecycle &life_;
    LineWriter &writer_;
    Progress progress_;
};

}  // namespace ble
