// What a mistyped name was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ble {

// The one of `known` that `typed` begins, differs from in one letter, shortens ("srce"), or is longer than by a word ("device-id": "device"); else the one
// that differs in the fewest letters, two in a long name, three in a very long one, of which none is the first; else the only one that has it as
// a word ("rate": "max-rate"). Dashes before a name do not count. Empty: none is near.
std::string nearest(std::string_view typed, std::span<const std::string> known);

}  // namespace ble
