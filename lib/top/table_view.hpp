// How a table is looked at: by which column it is sorted, what is let through, which row is chosen and which are seen.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

struct TableView {
    std::size_t column = 0;             // sorted by it
    bool reversed = false;              // against the way that the column has by itself
    std::string filter;                 // empty: all
    std::optional<std::string> chosen;  // a row's key; none: no row yet
    std::ptrdiff_t move = 0;  // so many rows down from the chosen one: done when it is next arranged
    std::size_t top = 0;      // first row seen

    // Sorts by another column, or turns the one there is.
    void sort_by(std::size_t other) {
        reversed = other == column && !reversed;
        column = other;
    }
};

// Is `filter` in the text? Letters of ASCII in either case.
bool is_in(std::string_view filter, std::string_view text);

}  // namespace ble
