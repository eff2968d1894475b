// The line format's bound (blepipe-batch(5)).
#pragma once

#include <cstddef>

namespace ble {

// Longest line in bytes, without its LF. A pipe of 1 MiB holds it even when every page of the pipe is half filled.
constexpr std::size_t max_line = 512'000;

}  // namespace ble
