// The two ways to show: on a terminal, and as lines that can be logged.
#pragma once

#include <functional>

#include "base/exit_code.hpp"
#include "base/lifecycle.hpp"
#include "bletop/input.hpp"
#include "bletop/options.hpp"
#include "top/viewer.hpp"

namespace ble {

// What they share; all borrowed.
struct Shown {
    const TopOptions &options;
    Lifecycle &life;
    Input &input;
    AirModel &model;
    Viewer &viewer;
    Input::Taker taker;
};

Moment moment_now();

// Until asked to end. At most ten pictures a second, and none when nothing has changed.
ExitCode show_on_terminal(Shown &shown);
// Until asked to end, or the input has ended: the last table then.
ExitCode show_plainly(Shown &shown);

}  // namespace ble
