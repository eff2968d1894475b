// Could this machine scan? A list of what a scan needs, what is there, and what to do about the rest.
#pragma once

#include "batch/finding.hpp"

namespace ble {

// Looks at everything, changes nothing. All checks, always the same ones in the same order. Takes some seconds at most.
Findings examine_radio();

}  // namespace ble
