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
// By the index batches_series: whatever other Pis, and this one elsewhere, have in that time costs nothing.
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
      last_window_(database, std::string(windows_of) + "DESC LIMIT 1"),
      sum_(database, "SELECT count(*), total(window_ms) FROM (" + std::string(windows_of) + ")") {}

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

void Coverage::insert(const Series &series, const Stretch &stretch) {
    const auto &[device, place, clock] = series;
    insert_.run(device, place, clock, stretch.first, stretch.begin, stretch.last, stretch.windows,
                stretch.listened_ms, stretch.reach);
}

void Coverage::write(const Series &series, Hand &hand) {
    if (!hand.dirty) return;
    const auto &[device, place, clock] = series;
    if (hand.stored && (!hand.stretch || hand.stretch->first != *hand.stored))
        delete_.run(device, place, clock, *hand.stored);
    hand.stored.reset();
    if (hand.stretch) {
        insert(series, *hand.stretch);
        hand.stored = hand.stretch->first;
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

// Its first or its last window may be the one that went, or one between which holds it together.
void Coverage::shrink(const Window &window, Hand &hand) {
    Stretch &stretch = *hand.stretch;
    const bool was_first = window.end == stretch.first, was_last = window.end == stretch.last;
    if (!was_first && !was_last) return split(window, hand);
    if (was_first) {
        const auto found = ask(first_window_, window, stretch.first, stretch.last);
        if (!found) {
            hand.stretch.reset();
            return;
        }
        stretch.first = found->end;
        stretch.begin = found->end - found->window_ms;
        stretch.reach = reach_of(found->window_ms, found->interval_ms);
    }
    if (was_last) {
        if (const auto found = ask(last_window_, window, stretch.first, stretch.last))
            stretch.last = found->end;
    }
}

// Its neighbours may be too far from each other now: then the hand keeps what follows.
void Coverage::split(const Window &window, Hand &hand) {
    Stretch &stretch = *hand.stretch;
    const auto before = ask(last_window_, window, stretch.first, window.end);
    const auto after = ask(first_window_, window, window.end, stretch.last);
    if (!before || !after) return;  // somebody has edited the table
    const auto reach = reach_of(after->window_ms, after->interval_ms);
    if (after->end - before->end <= reach) return;
    Stretch left = stretch;
    left.last = before->end;
    // Windows go in the order in which they came, so what is left of it are the few that were kept back.
    bind(sum_, window, left.first, left.last);
    sum_.step();
    left.windows = sum_.integer(0);
    left.listened_ms = sum_.integer(1);
    sum_.reset();
    stretch.first = after->end;
    stretch.begin = after->end - after->window_ms;
    stretch.windows -= left.windows;
    stretch.listened_ms -= left.listened_ms;
    stretch.reach = reach;
    if (hand.stored && *hand.stored != left.first)
        delete_.run(window.device, window.place, window.clock, *hand.stored);
    hand.stored.reset();
    insert({window.device, window.place, window.clock}, left);
}

void Coverage::bind(Statement &statement, const Window &series, std::int64_t from, std::int64_t to) {
    statement.bind(1, from).bind(2, to).bind(3, series.device).bind(4, series.place).bind(5, series.clock);
}

std::optional<Coverage::Window> Coverage::ask(Statement &statement, const Window &series, std::int64_t from,
                                              std::int64_t to) {
    bind(statement, series, from, to);
    if (!statement.step()) return {};
    Window found = series;
    found.end = statement.integer(0);
    found.window_ms = statement.integer(1);
    found.interval_ms = statement.integer(2);
    statement.reset();
    return found;
}

}  // namespace ble
