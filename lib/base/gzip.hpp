// A text as gzip data (RFC 1952).
#pragma once

#include <string>
#include <string_view>

namespace ble {

std::string gzip(std::string_view text);  // Error(system) when there is no memory

}  // namespace ble
