#include "base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace ble {
namespace {

// Letters to add, to leave out, to replace, or to swap with their neighbour (optimal string alignment).
std::size_t distance(std::string_view one, std::string_view other) {
    const std::size_t width = other.size() + 1;
    std::vector<std::size_t> before(width), last(width), row(width);
    for (std::size_t j = 0; j < width; ++j) last[j] = j;
    for (std::size_t i = 1; i <= one.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j < width; ++j) {
            const std::size_t replaced = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last.back();
}

}  // namespace

std::string nearest(std::string_view typed, std::span<const std::string> known) {
    constexpr std::size_t least_beginning = 4, longest = 64;
    if (typed.size() > longest) return {};
    std::string found;
    for (const auto &name : known)
        if (typed.size() >= least_beginning && name.starts_with(typed) &&
            (found.empty() || name.size() < found.size()))
            found = name;
    if (!found.empty()) return found;
    std::size_t least = (typed.size() < 5 ? 1 : typed.size() < 10 ? 2 : 3) + 1;
    for (const auto &name : known) {
        const std::size_t differs = distance(typed, name);
        if (differs < least) found = name;
        least = std::min(least, differs);
    }
    return found;
}

}  // namespace ble
