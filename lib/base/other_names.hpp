// What other programs call an option.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ble {

// "--database" is our "--db", where `names` has that. Empty: it is not called so elsewhere, as far as we know.
std::string by_other_name(std::string_view typed, std::span<const std::string> names);

}  // namespace ble
