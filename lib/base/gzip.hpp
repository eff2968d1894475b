// A text as gzip data (RFC 1952).
#pragma once

#include <string>
#include <string_view>

namespace ble {

enum class Packing { fastest, smallest };

// Error(system) when there is no memory.
std::string gzip(std::string_view text, Packing packing = Packing::fastest);

}  // namespace ble
