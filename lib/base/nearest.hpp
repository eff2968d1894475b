// What a mistyped name was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ble {

// The one of `known` that `typed` is the beginning of (4 characters at least), else the one that differs in the fewest letters: one in a
// short name, three in a long one. Empty: none is near.
std::string nearest(std::string_view typed, std::span<const std::string> known);

}  // namespace ble
