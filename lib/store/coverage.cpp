#include "store/coverage.hpp"

#include <algorithm>

namespace ble {
namespace {

std::int64_t reach_of(std::int64_t window_ms, std::int64_t interval_ms) {
    return std::max(window_ms, interval_ms) * 3 / 2;
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

void Coverage::remove(const Window &window) {
    Hand &hand = take(window);
    if (!hand.stretch || window.end > hand.stretch->last) return;  // somebody has edited the table
    --hand.stretch->windows;
    hand.stretch->listened_ms -= window.window_ms;
    hand.dirty = true;
    if (hand.stretch->windows > 0) {
        shrink(window, hand);
    } else {
        hand.stretch.reset();
    }
}

// Its first or its last window may be the one that went, or one between which holds it together.
void Coverage::shrink(const Window &window, Hand &hand) {
    Stretch &stretch = *hand.stretch;
    const bool was_first = window.end == stretch.first, was_last = window.end == stretch.last;
    if (!was_first && !was_last) return split(window, hand);
    if (was_first) {
        const auto found = rows_.first_window(window.series, stretch.first, stretch.last);
        if (!found) {
            hand.stretch.reset();
            return;
        }
        stretch.first = found->end;
        stretch.begin = found->end - found->window_ms;
        stretch.reach = reach_of(found->window_ms, found->interval_ms);
    }
    if (was_last) {
        if (const auto found = rows_.last_window(window.series, stretch.first, stretch.last))
            stretch.last = found->end;
    }
}

// Its neighbours may be too far from each other now: then the hand keeps what follows.
void Coverage::split(const Window &window, Hand &hand) {
    Stretch &stretch = *hand.stretch;
    const auto before = rows_.last_window(window.series, stretch.first, window.end);
    const auto after = rows_.first_window(window.series, window.end, stretch.last);
    if (!before || !after) return;  // somebody has edited the table
    const auto reach = reach_of(after->window_ms, after->interval_ms);
    if (after->end - before->end <= reach) return;
    Stretch left = stretch;
    left.last = before->end;
    // Windows go in the order in which they came, so what is left of it are the few that were kept back.
    const auto sum = rows_.sum(window.series, left.first, left.last);
    left.windows = sum.windows;
    left.listened_ms = sum.listened_ms;
    stretch.first = after->end;
    stretch.begin = after->end - after->window_ms;
    stretch.windows -= left.windows;
    stretch.listened_ms -= left.listened_ms;
    stretch.reach = reach;
    if (hand.stored && *hand.stored != left.first) rows_.erase(window.series, *hand.stored);
    hand.stored.reset();
    rows_.put(window.series, left);
}

}  // namespace ble
