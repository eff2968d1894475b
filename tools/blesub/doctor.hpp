// blesub --doctor.
#pragma once

#include "base/exit_code.hpp"

namespace ble {

struct ReceiveOptions;

// Looks at the way to the broker and at our rights there, and prints what it has found. Nothing is taken from a session or a group.
ExitCode print_receive_diagnosis(const ReceiveOptions &options);

}  // namespace ble
