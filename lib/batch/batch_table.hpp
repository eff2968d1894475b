// A batch for people: a line about the window, and one for each detection, in columns.
#pragma once

#include <string>

#include "base/look.hpp"
#include "batch/batch.hpp"

namespace ble {

// Lines with LF between them, the strongest detection first.
//   06:30:10.000  pi-lab-1  seq 412  window 10 s  23 advertisers
//     5b1c01ab   -67 dBm  medium    31 reports  06:30:09.412  Ruuvi 1234
std::string print_batch_table(const Batch &batch, const Look &look);

Colour colour_of(Zone zone);

}  // namespace ble
