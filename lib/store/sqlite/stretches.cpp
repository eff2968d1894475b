#include "store/sqlite/stretches.hpp"

namespace ble {
namespace {

constexpr char columns[] =
    "SELECT first, begin, last, windows, listened_ms, reach FROM stretches"
    " WHERE device = ? AND place = ? AND clock = ? AND first ";
// By the index batches_series: whatever other Pis, and this one elsewhere, have in that time costs nothing.
constexpr char windows_of[] =
    "SELECT timestamp, window_ms, interval_ms FROM batches WHERE timestamp BETWEEN ? AND ?"
    " AND device = ? AND place IS nullif(?, 0) AND clock IS nullif(?, -1)"
    " AND window_ms IS NOT NULL ORDER BY timestamp ";

std::optional<Stretch> read(Statement &statement, const Series &series, std::int64_t time) {
    statement.bind(1, series.device).bind(2, series.place).bind(3, series.clock).bind(4, time);
    if (!statement.step()) return {};
    const Stretch stretch{statement.integer(0), statement.integer(1), statement.integer(2),
                          statement.integer(3), statement.integer(4), statement.integer(5)};
    statement.reset();
    return stretch;
}

void bind(Statement &statement, const Series &series, std::int64_t from, std::int64_t to) {
    statement.bind(1, from).bind(2, to).bind(3, series.device).bind(4, series.place).bind(5, series.clock);
}

std::optional<Window> ask(Statement &statement, const Series &series, std::int64_t from, std::int64_t to) {
    bind(statement, series, from, to);
    if (!statement.step()) return {};
    const Window found{series, statement.integer(0), statement.integer(1), statement.integer(2)};
    statement.reset();
    return found;
}

}  // namespace

SqliteStretches::SqliteStretches(Database &database)
    : at_(database, std::string(columns) + "<= ? ORDER BY first DESC LIMIT 1"),
      after_(database, std::string(columns) + "> ? ORDER BY first LIMIT 1"),
      put_(
          database,
          "INSERT OR REPLACE INTO stretches (device, place, clock, first, begin, last, windows, listened_ms, "
          "reach) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      erase_(database, "DELETE FROM stretches WHERE device = ? AND place = ? AND clock = ? AND first = ?"),
      first_window_(database, std::string(windows_of) + "LIMIT 1"),
      last_window_(database, std::string(windows_of) + "DESC LIMIT 1"),
      sum_(database, "SELECT count(*), total(window_ms) FROM (" + std::string(windows_of) + ")") {}

std::optional<Stretch> SqliteStretches::at(const Series &series, std::int64_t time) {
    return read(at_, series, time);
}

std::optional<Stretch> SqliteStretches::after(const Series &series, std::int64_t time) {
    return read(after_, series, time);
}

void SqliteStretches::put(const Series &series, const Stretch &stretch) {
    put_.run(series.device, series.place, series.clock, stretch.first, stretch.begin, stretch.last,
             stretch.windows, stretch.listened_ms, stretch.reach);
}

void SqliteStretches::erase(const Series &series, std::int64_t first) {
    erase_.run(series.device, series.place, series.clock, first);
}

std::optional<Window> SqliteStretches::first_window(const Series &series, std::int64_t from,
                                                    std::int64_t to) {
    return ask(first_window_, series, from, to);
}

std::optional<Window> SqliteStretches::last_window(const Series &series, std::int64_t from, std::int64_t to) {
    return ask(last_window_, series, from, to);
}

StretchRows::Sum SqliteStretches::sum(const Series &series, std::int64_t from, std::int64_t to) {
    bind(sum_, series, from, to);
    sum_.step();
    const Sum sum{sum_.integer(0), sum_.integer(1)};
    sum_.reset();
    return sum;
}

}  // namespace ble
