// The spool that blesend was told to use.
#pragma once

#include <memory>

#include "base/exit_code.hpp"
#include "spool/spool.hpp"

namespace ble {

class Lifecycle;
struct SendOptions;

// While the disk is full or the spool is locked it waits and says so once a minute. Null: asked to stop meanwhile.
std::unique_ptr<Spool> open_spool(const SendOptions &given, Lifecycle &lifecycle);
// --status: what the spool on disk holds, as one line of JSON on standard output.
ExitCode print_spool_status(const SendOptions &options);

}  // namespace ble
