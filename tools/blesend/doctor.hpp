// blesend --doctor.
#pragma once

#include "base/exit_code.hpp"

namespace ble {

struct SendOptions;

// Looks at the way to the broker or the server, at the spool and the clock, and prints what it has found. No batch is sent.
ExitCode print_send_diagnosis(const SendOptions &options);

}  // namespace ble
