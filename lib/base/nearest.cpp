#include "base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace ble {
namespace {

// Letters to add, to leave out, to replace, or to swap with their neighbour (optimal string alignment): to `other`, and to the nearest
// of its beginnings.
struct Distance {
    std::size_t whole, beginning;
};

Distance distance(std::string_view one, std::string_view other) {
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
    return {last.back(), *std::min_element(last.begin(), last.end())};
}

// "srce" of "source": letters were left out, not the first one.
bool is_shortened(std::string_view typed, std::string_view name) {
    constexpr std::size_t least = 3, most_times = 3;
    if (typed.size() < least || name.size() > typed.size() * most_times || typed[0] != name[0]) return false;
    std::size_t at = 0;
    for (const char c : name)
        if (at < typed.size() && typed[at] == c) ++at;
    return at == typed.size();
}

bool ends(char c) {
    return c == '-' || c == '_';
}

// "rate" of "max-rate".
bool is_word_of(std::string_view typed, std::string_view name) {
    constexpr std::size_t least = 3, most_times = 3;
    if (typed.size() < least || name.size() > typed.size() * most_times) return false;
    for (auto at = name.find(typed); at != name.npos; at = name.find(typed, at + 1)) {
        const auto end = at + typed.size();
        if ((at == 0 || ends(name[at - 1])) && (end == name.size() || ends(name[end]))) return true;
    }
    return false;
}

template <class Fits>
std::string shortest(std::span<const std::string> known, Fits fits) {
    const std::string *found = nullptr;
    for (const auto &name : known)
        if (fits(name) && (found == nullptr || name.size() < found->size())) found = &name;
    return found == nullptr ? "" : *found;
}

template <class Fits>
std::string only(std::span<const std::string> known, Fits fits) {
    const auto found = std::find_if(known.begin(), known.end(), fits);
    return found != known.end() && std::find_if(found + 1, known.end(), fits) == known.end() ? *found : "";
}

std::string_view bare(std::string_view name) {
    name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
    return name;
}

// "device" of "device-id".
std::string longest_within(std::string_view word, std::span<const std::string> known) {
    std::string found;
    for (const auto &name : known) {
        const auto begin = bare(name);
        if (begin.size() > 1 && begin.size() < word.size() && word.starts_with(begin) &&
            ends(word[begin.size()]) && name.size() > found.size())
            found = name;
    }
    return found;
}

}  // namespace

std::string nearest(std::string_view typed, std::span<const std::string> known) {
    constexpr std::size_t least_sure = 5, least_beginning = 6, medium = 7, long_one = 12, longest = 64;
    const auto word = bare(typed);
    if (word.size() < 2 || word.size() > longest) return {};
    if (auto name = shortest(known, [&](const auto &one) { return one.starts_with(typed); }); !name.empty())
        return name;
    auto shortened = shortest(known, [&](const auto &one) { return is_shortened(word, bare(one)); });
    if (!shortened.empty() && word.size() < least_sure) return shortened;
    std::string found, begun;
    std::size_t least = (word.size() < medium ? 1 : word.size() < long_one ? 2 : 3) + 1;
    for (const auto &name : known) {
        const auto other = bare(name);
        if (other.size() < 2) continue;
        const auto differs = distance(word, other);
        if (differs.whole < least && (differs.whole == 1 || other[0] == word[0])) {
            found = name;
            least = differs.whole;
        }
        if (differs.beginning <= 1 && word.size() >= least_beginning) begun = begun.empty() ? name : begun;
    }
    if (least == 1) return found;
    for (const auto &name : {shortened, longest_within(word, known), found, begun})
        if (!name.empty()) return name;
    return only(known, [&](const auto &one) { return is_word_of(word, bare(one)); });
}

}  // namespace ble
