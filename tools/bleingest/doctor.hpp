// bleingest --doctor.
#pragma once

#include "base/exit_code.hpp"

namespace ble {

struct IngestOptions;

// Looks at the database, the room for it and the clock, and prints what it has found. No input is read.
ExitCode print_ingest_diagnosis(const IngestOptions &options);

}  // namespace ble
