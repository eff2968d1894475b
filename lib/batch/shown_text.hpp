// Text from outside for a terminal: without characters that have an effect, and of the wanted width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ble {

enum class Align { left, right };

// Exactly `columns` wide. `utf8`: more than ASCII may be shown, and the locale (LC_CTYPE) knows how wide it is (base/look.hpp). What is too long ends with "…" (ASCII: "~"). Characters that do something where they are shown
// (batch/safe_text.hpp), that cannot be shown, or are no UTF-8 become "?"; those without a width of their own go.
std::string fit(std::string_view text, std::size_t columns, bool utf8, Align align = Align::left);

// How wide fit() shows a text that is not too long.
std::size_t columns_of(std::string_view text, bool utf8);

}  // namespace ble
