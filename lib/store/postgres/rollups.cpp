#include "store/postgres/rollups.hpp"

#include <utility>

#include "store/postgres/locks.hpp"
#include "store/scattered.hpp"
#include "store/segments.hpp"

namespace ble {
namespace {

constexpr Query try_turn{try_roll_up};
constexpr Query wait_for_turn{wait_to_roll_up};
constexpr Query insert_due{
    "INSERT INTO rollup_due VALUES ($1::bigint, $2::bigint, $3::bigint) ON CONFLICT (from_batch) DO UPDATE "
    "SET"
    " to_batch = greatest(rollup_due.to_batch, excluded.to_batch),"
    " detections = rollup_due.detections + excluded.detections"};
constexpr Query find_due{
    "SELECT from_batch, to_batch, detections FROM rollup_due ORDER BY from_batch LIMIT $1::bigint"};
constexpr Query find_due_among{
    "SELECT id FROM unnest($1::bigint[]) AS asked (id)"
    " WHERE EXISTS (SELECT 1 FROM rollup_due WHERE id BETWEEN from_batch AND to_batch)"};
constexpr Query shorten{"UPDATE rollup_due SET from_batch = $2::bigint WHERE from_batch = $1::bigint"};
constexpr Query erase{"DELETE FROM rollup_due WHERE from_batch = $1::bigint"};
constexpr Query some_batches{
    "SELECT id, device, coalesce(place, 0), lived_s, received_at, oldest, newest FROM batches"
    " WHERE id BETWEEN $1::bigint AND $2::bigint ORDER BY id LIMIT $3::bigint"};

#define ROLLUP_VALUES                                                                             \
    "count(*) AS detections, sum(coalesce(count, 1))::bigint AS reports, max(rssi) AS strongest," \
    " sum(rssi)::bigint AS rssi_sum, min(zone) AS zone"
#define ROLLUP_SUMS_OF_DAY                                                                             \
    "sum(detections)::bigint, sum(reports)::bigint, max(strongest), sum(rssi_sum)::bigint, min(zone)," \
    " min(bucket) % 288, max(bucket) % 288"
#define PLACES                                                                                     \
    ", their AS (INSERT INTO device_places SELECT DISTINCT device, place FROM heard ORDER BY 1, 2" \
    " ON CONFLICT DO NOTHING) "
#define OF_DAY "day, place, advertiser, device, detections, reports, strongest, rssi_sum, zone, first, last"
#define ADD_TO(TABLE)                    \
    " DO UPDATE SET detections = " TABLE \
    ".detections + excluded.detections," \
    " reports = " TABLE                  \
    ".reports + excluded.reports,"       \
    " strongest = greatest(" TABLE       \
    ".strongest, excluded.strongest),"   \
    " rssi_sum = " TABLE ".rssi_sum + excluded.rssi_sum, zone = least(" TABLE ".zone, excluded.zone)"
// A flood makes tables large sooner than the server learns of it: planned for small ones, each batch would be looked for in all of them.
constexpr Query plan_for_large_tables{
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_nestloop', 'off', true),"
    " set_config('plan_cache_mode', 'force_custom_plan', true)"};
constexpr Query plan_as_set[]{{"RESET enable_seqscan"}, {"RESET enable_nestloop"}, {"RESET plan_cache_mode"}};
// Of the batches $3 with their devices, places, ages and times of receipt. `WHICH`: detections.
#define MERGE(WHICH) \
    "WITH heard AS MATERIALIZED (SELECT timestamp / 300000 AS bucket, merged.place, advertiser, " \
    "merged.device, " \
    ROLLUP_VALUES ", min(lived_s) AS first_s, max(lived_s) AS last_s, max(received_at) AS received_at"      \
    " FROM detections JOIN unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])"    \
    " AS merged (id, device, place, lived_s, received_at) ON merged.id = batch WHERE " WHICH                \
    " GROUP BY 1, 2, 3, 4),"                                                                                \
    " fine AS (INSERT INTO rollups (bucket, place, advertiser, device, detections, reports, strongest, rssi_sum, zone)" \
    " SELECT bucket, place, advertiser, device, detections, reports, strongest, rssi_sum, zone FROM heard"  \
    " ORDER BY 1, 2, 3, 4 ON CONFLICT (bucket, place, advertiser, device)" ADD_TO("rollups") "),"            \
    " days AS (INSERT INTO rollups_day (" OF_DAY ") SELECT bucket / 288, place, advertiser, device, "       \
    ROLLUP_SUMS_OF_DAY " FROM heard GROUP BY 1, 2, 3, 4"                                                    \
    " ORDER BY 1, 2, 3, 4 ON CONFLICT (day, place, advertiser, device)" ADD_TO("rollups_day")               \
    ", first = least(rollups_day.first, excluded.first), last = greatest(rollups_day.last, excluded.last))" \
    PLACES "SELECT bucket, place, min(first_s), max(last_s), max(received_at) FROM heard GROUP BY 1, 2"
constexpr Query merge_segment{MERGE("timestamp BETWEEN $1::bigint AND $2::bigint")};
constexpr Query merge_scattered{
    MERGE("timestamp BETWEEN $1::bigint AND $2::bigint"
          " AND timestamp = ANY (SELECT unnest(times) FROM batches WHERE id = ANY ($3::bigint[]))")};
#undef MERGE

constexpr Query insert_day{
    "INSERT INTO rollup_days (day, first_s, last_s, received_at) VALUES ($1::bigint, $2::bigint, $3::bigint, "
    "$4::bigint) ON CONFLICT (day) DO UPDATE SET first_s = least(rollup_days.first_s, excluded.first_s),"
    " last_s = greatest(rollup_days.last_s, excluded.last_s),"
    " received_at = greatest(rollup_days.received_at, excluded.received_at)"};
constexpr Query insert_occupancy_due{
    "INSERT INTO occupancy_due VALUES ($1::bigint, $2::bigint, $3::bigint) ON CONFLICT DO NOTHING"};
constexpr Query find_occupancy_due{
    "SELECT minutes, number, place FROM occupancy_due WHERE minutes <= $1::bigint ORDER BY 1, 2, 3 LIMIT "
    "$2::bigint"};
constexpr Query erase_occupancy_due{
    "DELETE FROM occupancy_due WHERE minutes = $1::bigint AND number = $2::bigint AND place = $3::bigint"};
// Of the batches $1: the numbers that they tell. `WHICH`: batches.
#define WINDOWS(WHICH)                                                                                      \
    "WITH windows AS MATERIALIZED (SELECT timestamp / 300000 AS bucket, coalesce(place, 0) AS place, near," \
    " medium, far, lived_s, received_at FROM batches WHERE timestamp IS NOT NULL AND " WHICH                \
    "),"                                                                                                    \
    " told AS (INSERT INTO occupancy_rollups SELECT 5, bucket, place, 0, 0, 0, max(near), max(medium), "    \
    "max(far) FROM windows WHERE near IS NOT NULL GROUP BY 2, 3 ORDER BY 2, 3"                              \
    " ON CONFLICT (minutes, number, place) DO UPDATE SET"                                                   \
    " told_near = greatest(occupancy_rollups.told_near, excluded.told_near),"                               \
    " told_medium = greatest(occupancy_rollups.told_medium, excluded.told_medium),"                         \
    " told_far = greatest(occupancy_rollups.told_far, excluded.told_far))"                                  \
    " SELECT bucket, place, min(lived_s), max(lived_s), max(received_at) FROM windows GROUP BY 1, 2"
constexpr Query merge_windows{WINDOWS("id = ANY ($1::bigint[])")};
constexpr Query windows_of_bucket{
    WINDOWS("timestamp >= $1::bigint * 300000 AND timestamp < ($1::bigint + 1) * 300000"
            " AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE id BETWEEN from_batch AND to_batch)")};
#undef WINDOWS
constexpr Query forget_told{
    "UPDATE occupancy_rollups SET told_near = 0, told_medium = 0, told_far = 0"
    " WHERE minutes = 5 AND number = $1::bigint"};

// Each advertiser counts with its nearest zone. `WHICH`: rows. What was told is that of the parts, so many minutes each, from $5 to $6.
#define COUNT(TABLE, WHICH)                                                                                 \
    "WITH found AS (SELECT count(*) FILTER (WHERE zone = 0) AS near, count(*) FILTER (WHERE zone = 1) AS "  \
    "medium,"                                                                                               \
    " count(*) FILTER (WHERE zone = 2) AS far FROM (SELECT min(zone) AS zone FROM " TABLE " WHERE " WHICH   \
    " AND place = $3::bigint GROUP BY advertiser) AS each),"                                                \
    " told AS (SELECT coalesce(max(told_near), 0) AS told_near, coalesce(max(told_medium), 0) AS "          \
    "told_medium, coalesce(max(told_far), 0) AS told_far FROM occupancy_rollups WHERE minutes = $4::bigint" \
    " AND number BETWEEN $5::bigint AND $6::bigint AND place = $3::bigint),"                                \
    " counted AS (SELECT *, near + medium + far + told_near + told_medium + told_far = 0 AS is_empty"       \
    " FROM found, told),"                                                                                   \
    " none AS (DELETE FROM occupancy_rollups WHERE minutes = $1::bigint AND number = $2::bigint"            \
    " AND place = $3::bigint AND (SELECT is_empty FROM counted))"                                           \
    " INSERT INTO occupancy_rollups SELECT $1::bigint, $2::bigint, $3::bigint, near, medium, far,"          \
    " told_near, told_medium, told_far FROM counted WHERE NOT is_empty"                                     \
    " ON CONFLICT (minutes, number, place) DO UPDATE SET near = excluded.near, medium = excluded.medium,"   \
    " far = excluded.far, told_near = excluded.told_near, told_medium = excluded.told_medium,"              \
    " told_far = excluded.told_far"
constexpr Query count_bucket{COUNT("rollups", "bucket = $2::bigint")};
constexpr Query count_hour{COUNT("rollups_hour", "hour = $2::bigint")};
constexpr Query count_day{COUNT("rollups_day", "day = $2::bigint")};
#undef COUNT

constexpr Query erase_hour{"DELETE FROM rollups_hour WHERE hour = $1::bigint AND place = $2::bigint"};
constexpr Query make_hour{
    "INSERT INTO rollups_hour (hour, place, advertiser, device, detections, strongest, zone, first, last)"
    " SELECT $1::bigint, $2::bigint, advertiser, device, sum(detections), max(strongest), min(zone),"
    " min(bucket) % 12, max(bucket) % 12 FROM rollups WHERE bucket = ANY (ARRAY(SELECT generate_series("
    "$1::bigint * 12, $1::bigint * 12 + 11))) AND place = $2::bigint GROUP BY 3, 4 ORDER BY 3, 4"};

constexpr Query find_next_day{
    "SELECT least((SELECT min(timestamp) FROM detections WHERE timestamp >= $1::bigint * 86400000) / "
    "86400000,"
    " (SELECT min(timestamp) FROM batches WHERE timestamp >= $1::bigint * 86400000) / 86400000,"
    " (SELECT min(day) FROM rollup_days WHERE day >= $1::bigint))"};
constexpr Query find_whole{"SELECT is_whole FROM rollup_days WHERE day = $1::bigint"};
constexpr Query find_missing{
    "SELECT 1 FROM unnest($3::bigint[], $4::bigint[]) AS asked (bucket, advertiser) WHERE NOT EXISTS (SELECT "
    "1 "
    "FROM rollups WHERE rollups.bucket = asked.bucket AND rollups.place = $2::bigint"
    " AND rollups.advertiser = asked.advertiser AND rollups.device = $1::bigint) LIMIT 1"};
constexpr Query mark_places{
    "INSERT INTO occupancy_due SELECT minutes, number, place FROM (SELECT place FROM rollups WHERE "
    "bucket = $1::bigint UNION SELECT place FROM rollups_hour WHERE hour = $1::bigint / 12"
    " UNION SELECT place FROM occupancy_rollups WHERE minutes = 5 AND number = $1::bigint)"
    " AS had, (VALUES (5, $1::bigint), (60, $1::bigint / 12), (1440, $1::bigint / 288)) AS each "
    "(minutes, number) ON CONFLICT DO NOTHING"};
constexpr Query erase_bucket{"DELETE FROM rollups WHERE bucket = $1::bigint"};
constexpr Query make_bucket{
    "WITH heard AS MATERIALIZED (SELECT coalesce(batches.place, 0) AS place, advertiser, "
    "batches.device, " ROLLUP_VALUES
    ", min(batches.lived_s) AS first_s, max(batches.lived_s) AS last_s, max(batches.received_at) AS "
    "received_at FROM detections JOIN batches ON batches.id = batch"
    " WHERE detections.timestamp >= $1::bigint * 300000 AND detections.timestamp < ($1::bigint + 1) * 300000"
    " AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE batch BETWEEN from_batch AND to_batch) GROUP BY 1, 2, "
    "3),"
    " made AS (INSERT INTO rollups (bucket, place, advertiser, device, detections, reports, strongest, "
    "rssi_sum, zone)"
    " SELECT $1::bigint, place, advertiser, device, detections, reports, strongest, rssi_sum, zone FROM heard"
    " ORDER BY place, advertiser, device)" PLACES
    "SELECT $1::bigint, place, min(first_s), max(last_s), max(received_at) FROM heard GROUP BY 2"};
constexpr Query erase_day{"DELETE FROM rollups_day WHERE day = $1::bigint"};
constexpr Query make_day{
    "INSERT INTO rollups_day (" OF_DAY ") SELECT $1::bigint, place, advertiser, device, " ROLLUP_SUMS_OF_DAY
    " FROM rollups"
    " WHERE bucket >= $1::bigint * 288 AND bucket < ($1::bigint + 1) * 288 GROUP BY 2, 3, 4 ORDER BY 2, 3, "
    "4"};
constexpr Query mend_day{"UPDATE rollup_days SET is_cut = 0 WHERE day = $1::bigint AND is_whole <> 0"};
#undef ADD_TO
#undef ROLLUP_SUMS_OF_DAY
#undef OF_DAY
#undef PLACES
#undef ROLLUP_VALUES

std::vector<Touched> touched_of(const Answer &answer) {
    std::vector<Touched> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.push_back({answer.integer(row, 0), answer.integer(row, 1), answer.integer(row, 2),
                         answer.integer(row, 3), answer.integer(row, 4)});
    return found;
}

}  // namespace

bool PostgresRollups::take_turn() {
    return connection_.ask(try_turn).text(0, 0) == "t";
}

void PostgresRollups::wait_turn() {
    connection_.ask(wait_for_turn);
}

void PostgresRollups::put_due(const DueRange &range) {
    connection_.queue(insert_due, Values::of(range.from, range.to, range.detections));
}

std::vector<DueRange> PostgresRollups::due(std::int64_t most) {
    const Answer answer = connection_.ask(find_due, Values::of(most));
    std::vector<DueRange> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.push_back({answer.integer(row, 0), answer.integer(row, 1), answer.integer(row, 2)});
    return found;
}

std::set<std::int64_t> PostgresRollups::due_among(const std::vector<std::int64_t> &batches) {
    std::set<std::int64_t> found;
    if (batches.empty()) return found;
    const Answer answer = connection_.ask(find_due_among, Values::of(batches));
    for (int row = 0; row < answer.rows(); ++row) found.insert(answer.integer(row, 0));
    return found;
}

void PostgresRollups::shorten_due(std::int64_t from, std::int64_t now_from) {
    connection_.queue(shorten, Values::of(from, now_from));
}

void PostgresRollups::erase_due(std::int64_t from) {
    connection_.queue(erase, Values::of(from));
}

std::vector<DueBatch> PostgresRollups::batches(const DueRange &range, std::int64_t most) {
    const Answer answer = connection_.ask(some_batches, Values::of(range.from, range.to, most));
    std::vector<DueBatch> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row) {
        const auto number = [&](int column) { return answer.integer(row, column); };
        found.push_back({number(0),
                         number(1),
                         number(2),
                         number(3),
                         number(4),
                         answer.number(row, 5),
                         answer.number(row, 6),
                         {},
                         {}});
    }
    return found;
}

std::vector<Touched> PostgresRollups::merge(const std::vector<DueBatch> &batches) {
    std::vector<Segment> segments;
    std::vector<std::int64_t> all_ids;
    segments.reserve(batches.size());
    all_ids.reserve(batches.size());
    for (const auto &batch : batches) {
        all_ids.push_back(batch.id);
        if (batch.oldest && batch.newest)
            segments.push_back({*batch.oldest, *batch.newest, batch.id, batch.id,
                                are_scattered(*batch.oldest, *batch.newest)});
    }
    std::vector<Connection::Question> questions{{merge_windows, Values::of(all_ids)}};
    connection_.queue(plan_for_large_tables);
    // A look into the index reads some minutes in any case, and each statement makes the rows of the day anew.
    for (const auto &segment : join(std::move(segments), rollup_ms)) {
        std::vector<std::int64_t> ids, devices, places, ages, received;
        for (const auto &batch : batches) {
            if (!batch.oldest || !batch.newest) continue;
            const bool whole_of_it = segment.scattered ? batch.id == segment.first_id
                                                       : *batch.oldest >= segment.oldest &&
                                                             *batch.newest <= segment.newest &&
                                                             !are_scattered(*batch.oldest, *batch.newest);
            if (!whole_of_it) continue;
            ids.push_back(batch.id);
            devices.push_back(batch.device);
            places.push_back(batch.place);
            ages.push_back(batch.lived_s);
            received.push_back(batch.received_at);
        }
        questions.push_back(
            {segment.scattered ? merge_scattered : merge_segment,
             Values::of(segment.oldest, segment.newest, ids, devices, places, ages, received)});
    }
    std::vector<Touched> all;
    for (const auto &answer : connection_.ask(questions))
        for (const auto &one : touched_of(answer)) all.push_back(one);
    for (const auto &query : plan_as_set) connection_.queue(query);
    return all;
}

void PostgresRollups::note_day(std::int64_t day, const Touched &touched) {
    connection_.queue(insert_day, Values::of(day, touched.first_s, touched.last_s, touched.received_at));
}

void PostgresRollups::put_occupancy_due(const OccupancyDue &due) {
    connection_.queue(insert_occupancy_due, Values::of(due.minutes, due.number, due.place));
}

std::vector<OccupancyDue> PostgresRollups::occupancy_due(std::int64_t longest, std::int64_t most) {
    const Answer answer = connection_.ask(find_occupancy_due, Values::of(longest, most));
    std::vector<OccupancyDue> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.push_back({answer.integer(row, 0), answer.integer(row, 1), answer.integer(row, 2)});
    return found;
}

void PostgresRollups::count_occupancy(const OccupancyDue &due) {
    const std::int64_t parts = due.minutes == 5 ? 1 : due.minutes == 60 ? buckets_an_hour : 24;
    const std::int64_t minutes_each = due.minutes == 1440 ? 60 : 5;
    if (due.minutes == 60)
        for (const auto &query : {erase_hour, make_hour})
            connection_.queue(query, Values::of(due.number, due.place));
    connection_.queue(due.minutes == 5    ? count_bucket
                      : due.minutes == 60 ? count_hour
                                          : count_day,
                      Values::of(due.minutes, due.number, due.place, minutes_each, due.number * parts,
                                 (due.number + 1) * parts - 1));
    connection_.queue(erase_occupancy_due, Values::of(due.minutes, due.number, due.place));
}

std::optional<std::int64_t> PostgresRollups::next_day(std::int64_t from) {
    return connection_.ask(find_next_day, Values::of(from)).number(0, 0);
}

bool PostgresRollups::is_whole(std::int64_t day) {
    const Answer answer = connection_.ask(find_whole, Values::of(day));
    return answer.rows() == 0 || answer.integer(0, 0) != 0;
}

bool PostgresRollups::hold(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) {
    std::vector<std::int64_t> buckets, advertisers;
    for (const auto &one : heard) {
        buckets.push_back(one.bucket);
        advertisers.push_back(one.advertiser);
    }
    return connection_.ask(find_missing, Values::of(device, place, buckets, advertisers)).rows() == 0;
}

std::vector<Touched> PostgresRollups::rebuild(std::int64_t bucket) {
    connection_.queue(mark_places, Values::of(bucket));
    connection_.queue(erase_bucket, Values::of(bucket));
    connection_.queue(forget_told, Values::of(bucket));
    const auto key = Values::of(bucket);
    std::vector<Touched> all;
    for (const auto &answer : connection_.ask({{windows_of_bucket, key}, {make_bucket, key}}))
        for (const auto &one : touched_of(answer)) all.push_back(one);
    return all;
}

void PostgresRollups::rebuild_day(std::int64_t day) {
    connection_.queue(erase_day, Values::of(day));
    connection_.queue(make_day, Values::of(day));
    connection_.queue(mend_day, Values::of(day));
}

}  // namespace ble
