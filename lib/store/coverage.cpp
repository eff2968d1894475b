#include "store/coverage.hpp"

#include <algorithm>
#include <cmath>

namespace ble {
namespace {

std::int64_t reach_of(std::int64_t window_ms, std::int64_t interval_ms) {
    return std::max(window_ms, interval_ms) * 3 / 2;
}

// Its windows are spread evenly over a stretch.
Stretch part_of(const Stretch &stretch, std::int64_t from, std::int64_t until) {
    Stretch part = stretch;
    part.begin = from;
    part.last = until;
    if (from > stretch.begin) part.first = std::max(from, stretch.first);
    part.first = std::min(part.first, until);
    const double share =
        static_cast<double>(until - from) / static_cast<double>(stretch.last - stretch.begin);
    const auto of = [&](std::int64_t all) { return std::llround(static_cast<double>(all) * share); };
    part.windows = std::max<std::int64_t>(of(stretch.windows), 1);
    part.listened_ms = of(stretch.listened_ms);
    return part;
}

}  // namespace

Coverage::Coverage(StretchRows &rows) : rows_(rows) {}

void Coverage::forget() {
    hands_.clear();
}

void Coverage::flush() {
    for (auto &[series, hand] : hands_) write(series, hand);
}

void Coverage::write(const Series &series, Hand &hand) {
    if (!hand.dirty) return;
    if (hand.stored && (!hand.stretch || hand.stretch->first != *hand.stored))
        rows_.erase(series, *hand.stored);
    hand.stored.reset();
    if (hand.stretch) {
        rows_.put(series, *hand.stretch);
        hand.stored = hand.stretch->first;
    }
    hand.dirty = false;
}

// The stretch that the window may belong to, which begins no later, and the one after it.
Coverage::Hand &Coverage::take(const Window &window) {
    const Series &series = window.series;
    Hand &hand = hands_[series];
    const bool fits =
        hand.stretch && hand.stretch->first <= window.end && (!hand.next || window.end < hand.next->first);
    if (fits) return hand;
    write(series, hand);
    hand.stretch = rows_.at(series, window.end);
    hand.next = rows_.after(series, window.end);
    hand.stored.reset();
    if (hand.stretch) hand.stored = hand.stretch->first;
    return hand;
}

void Coverage::add(const Window &window) {
    const Series &series = window.series;
    Hand &hand = take(window);
    const auto reach = reach_of(window.window_ms, window.interval_ms);
    if (!hand.stretch || window.end - hand.stretch->last > reach) {
        write(series, hand);
        hand.stored.reset();
        hand.stretch = Stretch{window.end, window.end - window.window_ms, window.end, 0, 0, reach};
    }
    Stretch &stretch = *hand.stretch;
    stretch.begin = std::min(stretch.begin, window.end - window.window_ms);
    stretch.last = std::max(stretch.last, window.end);
    ++stretch.windows;
    stretch.listened_ms += window.window_ms;
    hand.dirty = true;
    if (!hand.next || hand.next->first - stretch.last > hand.next->reach) return;
    const Stretch joined = *hand.next;
    rows_.erase(series, joined.first);
    stretch.begin = std::min(stretch.begin, joined.begin);
    stretch.last = std::max(stretch.last, joined.last);
    stretch.windows += joined.windows;
    stretch.listened_ms += joined.listened_ms;
    hand.next = rows_.after(series, joined.first);
}

bool Coverage::holds(const Window &window) {
    const auto &stretch = take(window).stretch;
    return stretch && window.end <= stretch->last;
}

void Coverage::cut(std::int64_t from, std::int64_t until) {
    forget();
    for (const auto &[series, stretch] : rows_.within(from, until)) {
        rows_.erase(series, stretch.first);
        if (stretch.begin < from) rows_.put(series, part_of(stretch, stretch.begin, from));
        if (until < stretch.last) rows_.put(series, part_of(stretch, until, stretch.last));
    }
}

}  // namespace ble
