// Rows in order: only those that are seen are sorted, so that many cost little.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "batch/shown_text.hpp"
#include "top/page.hpp"
#include "top/table_view.hpp"

namespace ble {

// What a row is sorted by: the number, then the text, then its key, which no other row has.
template <class Item>
struct Ranked {
    double number = 0;
    std::string_view text, key;
    const Item *item = nullptr;

    bool before(const Ranked &other) const {
        if (number != other.number) return number < other.number;
        if (text != other.text) return text < other.text;
        return key < other.key;
    }
};

// The rows that are seen of all, at most `rows`, sorted; does the view's move, and keeps the chosen row in sight.
template <class Item>
std::vector<Ranked<Item>> arrange(std::vector<Ranked<Item>> all, TableView &view, std::size_t rows) {
    const auto less = [&view](const Ranked<Item> &a, const Ranked<Item> &b) {
        return view.reversed ? b.before(a) : a.before(b);
    };
    const auto count = static_cast<std::ptrdiff_t>(all.size()), seen = static_cast<std::ptrdiff_t>(rows);
    std::ptrdiff_t at = -1;  // of the chosen row
    if (view.chosen) {
        const auto found =
            std::find_if(all.begin(), all.end(), [&](const auto &r) { return r.key == *view.chosen; });
        if (found != all.end())
            at = std::count_if(all.begin(), all.end(),
                               [&, chosen = *found](const auto &r) { return less(r, chosen); });
    }
    if (view.move != 0) {  // down from no row: to the first one
        const auto to = at >= 0 ? at + view.move : std::max(view.move - 1, std::ptrdiff_t{0});
        at = std::clamp(to, std::ptrdiff_t{0}, std::max(count - 1, std::ptrdiff_t{0}));
    }
    auto top = static_cast<std::ptrdiff_t>(view.top);
    if (at < 0)
        top = 0;
    else
        top = std::clamp(top, at - seen + 1, at);
    top = std::max(std::ptrdiff_t{0}, std::min(top, count - seen));
    const auto end = std::min(count, std::max(top + seen, at + 1));
    std::partial_sort(all.begin(), all.begin() + end, all.end(), less);
    if (view.move != 0 && at >= 0 && at < count)
        view.chosen = std::string(all[static_cast<std::size_t>(at)].key);
    view.move = 0;
    view.top = static_cast<std::size_t>(top);
    all.resize(static_cast<std::size_t>(std::min(count, top + seen)));
    all.erase(all.begin(), all.begin() + top);
    return all;
}

struct Column {
    const char *name;
    std::size_t width;  // in columns of the terminal
    Align align = Align::left;
};

// A heading of the columns, with a mark at the one that is sorted by and the keys 1 to 9 before the names.
PageLine heading(const std::vector<Column> &columns, const TableView &view, const Surface &surface);
// `cells`: the text of others and of ours, made safe and as wide as the columns.
PageLine row(const std::vector<Column> &columns, const std::vector<Piece> &cells, bool chosen,
             const Surface &surface);

}  // namespace ble
