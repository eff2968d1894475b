#include "base/version.hpp"

#include "base/limits.hpp"

namespace ble {

const char program_version[] =
    BLEPIPE_VERSION;  // by CMake, to this file only: another version compiles no other

static_assert(sizeof program_version <= longest_version + 1, "batches could not tell it");

}  // namespace ble
