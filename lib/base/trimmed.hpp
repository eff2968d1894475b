// Text without the blanks around it.
#pragma once

#include <string_view>

namespace ble {

// Without blanks, tabs and carriage returns at either end. Borrowed from `text`.
std::string_view trimmed(std::string_view text);

}  // namespace ble
