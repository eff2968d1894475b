// The spool that blesend was told to use.
#pragma once

#include <memory>

#include "base/exit_code.hpp"
#include "spool/spool.hpp"

namespace ble {

struct SendOptions;

std::unique_ptr<Spool> make_spool(const SendOptions &given);
// --status: what the spool on disk holds, as one line of JSON on standard output.
ExitCode print_spool_status(const SendOptions &options);

}  // namespace ble
