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
    " WHERE id BETWEEN $1::bigint AND $2::bigint AND oldest IS NOT NULL ORDER BY id LIMIT $3::bigint"};

#define ROLLUP_VALUES                                                                             \
    "count(*) AS detections, sum(coalesce(count, 1))::bigint AS reports, max(rssi) AS strongest," \
    " sum(rssi)::bigint AS rssi_sum, min(zone) AS zone"
#define ROLLUP_SUMS \
    "sum(detections)::bigint, sum(reports)::bigint, max(strongest), sum(rssi_sum)::bigint, min(zone)"
#define ADD_TO(TABLE)                    \
    " DO UPDATE SET detections = " TABLE \
    ".detections + excluded.detections," \
    " reports = " TABLE                  \
    ".reports + excluded.reports,"       \
    " strongest = greatest(" TABLE       \
    ".strongest, excluded.strongest),"   \
    " rssi_sum = " TABLE ".rssi_sum + excluded.rssi_sum, zone = least(" TABLE ".zone, excluded.zone)"
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
    " days AS (INSERT INTO rollups_day (day, place, advertiser, device, detections, reports, strongest, rssi_sum, zone)" \
    " SELECT bucket / 288, place, advertiser, device, " ROLLUP_SUMS " FROM heard GROUP BY 1, 2, 3, 4"       \
    " ORDER BY 1, 2, 3, 4 ON CONFLICT (day, place, advertiser, device)" ADD_TO("rollups_day") ")"            \
    " SELECT bucket, place, min(first_s), max(last_s), max(received_at) FROM heard GROUP BY 1, 2"
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
// Each advertiser counts with its nearest zone. `WHICH`: rows.
#define COUNT(TABLE, WHICH)                                                                                  \
    "WITH found AS (SELECT count(*) FILTER (WHERE zone = 0) AS near, count(*) FILTER (WHERE zone = 1) AS "   \
    "medium,"                                                                                                \
    " count(*) FILTER (WHERE zone = 2) AS far FROM (SELECT min(zone) AS zone FROM " TABLE " WHERE " WHICH    \
    " AND place = $3::bigint GROUP BY advertiser) AS each),"                                                 \
    " none AS (DELETE FROM occupancy_rollups WHERE minutes = $1::bigint AND number = $2::bigint"             \
    " AND place = $3::bigint AND (SELECT near + medium + far FROM found) = 0)"                               \
    " INSERT INTO occupancy_rollups SELECT $1::bigint, $2::bigint, $3::bigint, near, medium, far FROM found" \
    " WHERE near + medium + far > 0 ON CONFLICT (minutes, number, place) DO UPDATE SET near = "              \
    "excluded.near,"                                                                                         \
    " medium = excluded.medium, far = excluded.far"
constexpr Query count_bucket{COUNT("rollups", "bucket = $2::bigint")};
constexpr Query count_hour{
    COUNT("rollups", "bucket = ANY (ARRAY(SELECT generate_series($2::bigint * 12, $2::bigint * 12 + 11)))")};
constexpr Query count_day{COUNT("rollups_day", "day = $2::bigint")};
#undef COUNT

constexpr Query find_next_day{
    "SELECT least((SELECT min(timestamp) FROM detections WHERE timestamp >= $1::bigint * 86400000) / "
    "86400000,"
    " (SELECT min(day) FROM rollup_days WHERE day >= $1::bigint))"};
constexpr Query find_whole{"SELECT is_whole FROM rollup_days WHERE day = $1::bigint"};
constexpr Query find_missing{
    "SELECT 1 FROM unnest($3::bigint[], $4::bigint[]) AS asked (bucket, advertiser) WHERE NOT EXISTS (SELECT "
    "1 "
    "FROM rollups WHERE rollups.bucket = asked.bucket AND rollups.place = $2::bigint"
    " AND rollups.advertiser = asked.advertiser AND rollups.device = $1::bigint) LIMIT 1"};
constexpr Query mark_places{
    "INSERT INTO occupancy_due SELECT minutes, number, place FROM (SELECT DISTINCT place FROM rollups WHERE "
    "bucket "
    "= $1::bigint) AS had, (VALUES (5, $1::bigint), (60, $1::bigint / 12), (1440, $1::bigint / 288)) AS each "
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
    " ORDER BY place, advertiser, device)"
    " SELECT $1::bigint, place, min(first_s), max(last_s), max(received_at) FROM heard GROUP BY 2"};
constexpr Query erase_day{"DELETE FROM rollups_day WHERE day = $1::bigint"};
constexpr Query make_day{
    "INSERT INTO rollups_day (day, place, advertiser, device, detections, reports, strongest, rssi_sum, zone)"
    " SELECT $1::bigint, place, advertiser, device, " ROLLUP_SUMS
    " FROM rollups"
    " WHERE bucket >= $1::bigint * 288 AND bucket < ($1::bigint + 1) * 288 GROUP BY 2, 3, 4 ORDER BY 2, 3, "
    "4"};
#undef ADD_TO
#undef ROLLUP_SUMS
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
        found.push_back({number(0), number(1), number(2), number(3), number(4), number(5), number(6)});
    }
    return found;
}

std::vector<Touched> PostgresRollups::merge(const std::vector<DueBatch> &batches) {
    std::vector<Segment> segments;
    segments.reserve(batches.size());
    for (const auto &batch : batches)
        segments.push_back(
            {batch.oldest, batch.newest, batch.id, batch.id, are_scattered(batch.oldest, batch.newest)});
    std::vector<Connection::Question> questions;
    for (const auto &segment : join(std::move(segments))) {
        std::vector<std::int64_t> ids, devices, places, ages, received;
        for (const auto &batch : batches) {
            const bool whole_of_it = segment.scattered
                                         ? batch.id == segment.first_id
                                         : batch.oldest >= segment.oldest && batch.newest <= segment.newest &&
                                               !are_scattered(batch.oldest, batch.newest);
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
    const auto key = Values::of(due.minutes, due.number, due.place);
    connection_.queue(due.minutes == 5 ? count_bucket : due.minutes == 60 ? count_hour : count_day, key);
    connection_.queue(erase_occupancy_due, key);
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
    return touched_of(connection_.ask(make_bucket, Values::of(bucket)));
}

void PostgresRollups::rebuild_day(std::int64_t day) {
    connection_.queue(erase_day, Values::of(day));
    connection_.queue(make_day, Values::of(day));
}

}  // namespace ble
