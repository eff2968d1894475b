// Which blepipe this is.
#pragma once

namespace ble {

// The project's version, or that of the Debian package that it is in: printable ASCII, at most longest_version characters.
extern const char program_version[];

}  // namespace ble
