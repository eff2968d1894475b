#include "store/coverage.hpp"

#include <algorithm>

namespace ble {
namespace {

std::int64_t reach_of(std::int64_t window_ms, std::int64_t interval_ms) {
    return std::max(window_ms, interval_ms) * 3 / 2;
}

constexpr char columns[] =
    "SELECT first, begin, last, windows, listened_ms, reach FROM stretches"
    " WHERE device = ? AND place = ? AND clock = ? AND first ";
// By the index of time: what lies between are other Pis' windows of that time.
constexpr char windows_of[] =
    "SELECT timestamp, window_ms, interval_ms FROM batches WHERE timestamp BETWEEN ? AND ?"
    " AND device = ? AND place IS nullif(?, 0) AND clock IS nullif(?, -1)"
    " AND window_ms IS NOT NULL ORDER BY timestamp ";

}  // namespace

Coverage::Coverage(Database &database)
    : find_(database, std::string(columns) + "<= ? ORDER BY first DESC LIMIT 1"),
      find_next_(database, std::string(columns) + "> ? ORDER BY first LIMIT 1"),
      insert_(
          database,
          "INSERT OR REPLACE INTO stretches (device, place, clock, first, begin, last, windows, listened_ms, "
          "reach) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      delete_(database, "DELETE FROM stretches WHERE device = ? AND place = ? AND clock = ? AND first = ?"),
      first_window_(database, std::string(windows_of) + "LIMIT 1"),
      last_window_(database, std::string(windows_of) + "DESC LIMIT 1") {}

void Coverage::forget() {
    hands_.clear();
}

void Coverage::flush() {
    for (auto &[series, hand] : hands_) write(series, hand);
}

std::optional<Coverage::Stretch> Coverage::read(Statement &statement, const Series &series,
                                                std::int64_t time) {
    const auto &[device, place, clock] = series;
    statement.bind(1, device).bind(2, place).bind(3, clock).bind(4, time);
    if (!statement.step()) return {};
    const Stretch stretch{statement.integer(0), statement.integer(1), statement.integer(2),
                          statement.integer(3), statement.integer(4), statement.integer(5)};
    statement.reset();
    return stretch;
}

void Coverage::write(const Series &series, Hand &hand) {
    if (!hand.dirty) return;
    const auto &[device, place, clock] = series;
    if (hand.stored && (!hand.stretch || hand.stretch->first != *hand.stored))
        delete_.run(device, place, clock, *hand.stored);
    hand.stored.reset();
    if (hand.stretch) {
        const Stretch &s = *hand.stretch;
        insert_.run(device, place, clock, s.first, s.begin, s.last, s.windows, s.listened_ms, s.reach);
        hand.stored = s.first;
    }
    hand.dirty = false;
}

// The stretch that the window may belong to, which begins no later, and the one after it.
Coverage::Hand &Coverage::take(const Window &window) {
    const Series series{window.device, window.place, window.clock};
    Hand &hand = hands_[series];
    const bool fits =
        hand.stretch && hand.stretch->first <= window.end && (!hand.next || window.end < hand.next->first);
    if (fits) return hand;
    write(series, hand);
    hand.stretch = read(find_, series, window.end);
    hand.next = read(find_next_, series, window.end);
    hand.stored.reset();
    if (hand.stretch) hand.stored = hand.stretch->first;
    return hand;
}

void Coverage::add(const Window &window) {
    const Series series{window.device, window.place, window.clock};
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
    delete_.run(window.device, window.place, window.clock, joined.first);
    stretch.begin = std::min(stretch.begin, joined.begin);
    stretch.last = std::max(stretch.last, joined.last);
    stretch.windows += joined.windows;
    stretch.listened_ms += joined.listened_ms;
    hand.next = read(find_next_, series, joined.first);
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

// Its first or its last window may be the one that went.
void Coverage::shrink(const Window &window, Hand &hand) {
    Stretch &stretch = *hand.stretch;
    const auto look = [&](Statement &statement) {
        statement.bind(1, stretch.first).bind(2, stretch.last);
        statement.bind(3, window.device).bind(4, window.place).bind(5, window.clock);
        return statement.step();
    };
    if (window.end == stretch.first) {
        if (!look(first_window_)) {
            hand.stretch.reset();
            return;
        }
        stretch.first = first_window_.integer(0);
        stretch.begin = stretch.first - first_window_.integer(1);
        stretch.reach = reach_of(first_window_.integer(1), first_window_.integer(2));
        first_window_.reset();
    }
    if (window.end == stretch.last && look(last_window_)) {
        stretch.last = last_window_.integer(0);
        last_window_.reset();
    }
}

}  // namespace ble
