#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace ble {

Error system_error(const std::string &what, ExitCode code) {
    return Error(code, "unable to " + what + ": " + std::generic_category().message(errno));
}

}  // namespace ble
