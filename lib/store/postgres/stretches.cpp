#include "store/postgres/stretches.hpp"

namespace ble {
namespace {

constexpr Query find_stretches{
    "SELECT asked.n, found.is_after, found.first, found.begin, found.last, found.windows, found.listened_ms, "
    "found.reach"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY"
    "  AS asked (device, place, clock, time, n), LATERAL ("
    " (SELECT false AS is_after, stretches.* FROM stretches WHERE stretches.device = asked.device"
    "   AND stretches.place = asked.place AND stretches.clock = asked.clock AND first <= asked.time"
    "   ORDER BY first DESC LIMIT 1) UNION ALL"
    " (SELECT true, stretches.* FROM stretches WHERE stretches.device = asked.device"
    "   AND stretches.place = asked.place AND stretches.clock = asked.clock AND first > asked.time"
    "   ORDER BY first LIMIT 1)) AS found"};
constexpr Query find_at{
    "SELECT 0, false, first, begin, last, windows, listened_ms, reach FROM stretches"
    " WHERE device = $1::bigint AND place = $2::bigint AND clock = $3::bigint AND first <= $4::bigint"
    " ORDER BY first DESC LIMIT 1"};
constexpr Query find_after{
    "SELECT 0, true, first, begin, last, windows, listened_ms, reach FROM stretches"
    " WHERE device = $1::bigint AND place = $2::bigint AND clock = $3::bigint AND first > $4::bigint"
    " ORDER BY first LIMIT 1"};
constexpr Query put_stretch{
    "INSERT INTO stretches (device, place, clock, first, begin, last, windows, listened_ms, reach)"
    " VALUES ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, "
    "$8::bigint, $9::bigint)"
    " ON CONFLICT (device, place, clock, first) DO UPDATE SET begin = excluded.begin, last = excluded.last,"
    " windows = excluded.windows, listened_ms = excluded.listened_ms, reach = excluded.reach"};
constexpr Query erase_stretch{
    "DELETE FROM stretches WHERE device = $1::bigint AND place = $2::bigint AND clock = $3::bigint AND first "
    "= $4::bigint"};

constexpr Query find_within{
    "SELECT 0, false, first, begin, last, windows, listened_ms, reach, device, place, clock FROM stretches"
    " WHERE last > $1::bigint AND begin < $2::bigint"};

Values values_of(const Series &series) {
    return Values::of(series.device, series.place, series.clock);
}

template <class... More>
Values values_of(const Series &series, const More &...more) {
    Values values = values_of(series);
    (values.add(more), ...);
    return values;
}

Stretch stretch_of(const Answer &answer, int row) {
    return {answer.integer(row, 2), answer.integer(row, 3), answer.integer(row, 4),
            answer.integer(row, 5), answer.integer(row, 6), answer.integer(row, 7)};
}

std::optional<Stretch> only(const Answer &answer) {
    return answer.rows() > 0 ? std::optional(stretch_of(answer, 0)) : std::nullopt;
}

}  // namespace

Connection::Question PostgresStretches::question(const Times &windows) {
    std::vector<std::int64_t> devices, places, clocks, times;
    for (const auto &[series, time] : windows) {
        devices.push_back(series.device);
        places.push_back(series.place);
        clocks.push_back(series.clock);
        times.push_back(time);
    }
    return {find_stretches, Values::of(devices, places, clocks, times)};
}

void PostgresStretches::know(const Times &windows, const Answer &answer) {
    for (const auto &[series, time] : windows) known_[series] = {time, {}, {}};
    for (int row = 0; row < answer.rows(); ++row) {
        Known &known = known_[windows[static_cast<std::size_t>(answer.integer(row, 0) - 1)].first];
        (answer.text(row, 1) == "t" ? known.after : known.at) = stretch_of(answer, row);
    }
}

std::optional<Stretch> PostgresStretches::at(const Series &series, std::int64_t time) {
    if (const auto known = known_.find(series); known != known_.end() && known->second.time == time)
        return known->second.at;
    return only(connection_.ask(find_at, values_of(series, time)));
}

std::optional<Stretch> PostgresStretches::after(const Series &series, std::int64_t time) {
    if (const auto known = known_.find(series); known != known_.end() && known->second.time == time)
        return known->second.after;
    return only(connection_.ask(find_after, values_of(series, time)));
}

void PostgresStretches::put(const Series &series, const Stretch &stretch) {
    known_.erase(series);
    connection_.queue(put_stretch, values_of(series, stretch.first, stretch.begin, stretch.last,
                                             stretch.windows, stretch.listened_ms, stretch.reach));
}

void PostgresStretches::erase(const Series &series, std::int64_t first) {
    known_.erase(series);
    connection_.queue(erase_stretch, values_of(series, first));
}

std::vector<std::pair<Series, Stretch>> PostgresStretches::within(std::int64_t from, std::int64_t until) {
    const Answer answer = connection_.ask(find_within, Values::of(from, until));
    std::vector<std::pair<Series, Stretch>> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.push_back({{answer.integer(row, 8), answer.integer(row, 9), answer.integer(row, 10)},
                         stretch_of(answer, row)});
    return found;
}

}  // namespace ble
