#include "store/sqlite/stretches.hpp"

namespace ble {
namespace {

constexpr char columns[] =
    "SELECT first, begin, last, windows, listened_ms, reach FROM stretches"
    " WHERE device = ? AND place = ? AND clock = ? AND first ";
Stretch stretch_of(const Statement &row) {
    return {row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4), row.integer(5)};
}

std::optional<Stretch> read(Statement &statement, const Series &series, std::int64_t time) {
    statement.bind(1, series.device).bind(2, series.place).bind(3, series.clock).bind(4, time);
    if (!statement.step()) return {};
    const Stretch stretch = stretch_of(statement);
    statement.reset();
    return stretch;
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
      within_(database,
              "SELECT first, begin, last, windows, listened_ms, reach, device, place, clock FROM stretches"
              " WHERE last > ? AND begin < ?") {}

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

std::vector<std::pair<Series, Stretch>> SqliteStretches::within(std::int64_t from, std::int64_t until) {
    std::vector<std::pair<Series, Stretch>> found;
    within_.bind(1, from).bind(2, until);
    while (within_.step())
        found.push_back({{within_.integer(6), within_.integer(7), within_.integer(8)}, stretch_of(within_)});
    return found;
}

}  // namespace ble
