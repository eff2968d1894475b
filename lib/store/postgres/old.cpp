#include "store/postgres/old.hpp"

#include "store/postgres/locks.hpp"
#include "store/postgres/news.hpp"
#include "store/scattered.hpp"

namespace ble {
namespace {

// A table that is larger is dropped whole.
constexpr std::int64_t large = 64 << 20;

constexpr Query find_hour{"SELECT hour_began_s, hour_left FROM age"};
constexpr Query set_hour{"UPDATE age SET hour_began_s = $1::bigint, hour_left = $2::bigint"};
constexpr Query spend{"UPDATE age SET hour_left = hour_left - $1::bigint"};
// Many are not counted, which takes long while others wait, but told from the table's size and what the server knows of its pages; where it
// knows nothing yet, from the size alone: 40 rows a page.
constexpr Query count_all{
    "SELECT CASE WHEN pages < 2000 THEN (SELECT count(*) FROM batches)"
    " WHEN reltuples >= 0 AND relpages > 0 THEN (reltuples / relpages * pages)::bigint ELSE pages * 40 END"
    " FROM pg_class, LATERAL (SELECT pg_relation_size(oid) / current_setting('block_size')::bigint AS pages) "
    "AS size"
    " WHERE oid = 'batches'::regclass"};
constexpr Query find_first{"SELECT lived_s, received_at FROM batches ORDER BY lived_s LIMIT 1"};
constexpr Query find_old{
    "SELECT id, oldest, newest, received_at, device, timestamp FROM batches WHERE lived_s < $1::bigint AND "
    "(received_at < $2::bigint OR received_at > $3::bigint)"
    " ORDER BY lived_s LIMIT $4::bigint"};
constexpr Query lock_devices_of{
    "SELECT 1 FROM devices WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"};
constexpr Query erase_rows{
    "WITH gone AS (DELETE FROM detections WHERE timestamp BETWEEN $1::bigint AND $2::bigint AND batch = "
    "$3::bigint"
    " RETURNING advertiser) SELECT advertiser, count(*) FROM gone GROUP BY advertiser"};
constexpr Query erase_rows_apart{
    "WITH gone AS (DELETE FROM detections WHERE timestamp = ANY (SELECT unnest(times) FROM batches WHERE id "
    "= $1::bigint)"
    " AND batch = $1::bigint RETURNING advertiser) SELECT advertiser, count(*) FROM gone GROUP BY "
    "advertiser"};
constexpr Query unlink_batch{
    "UPDATE devices SET last_batch = NULL WHERE last_batch = $1::bigint AND id = $2::bigint"};
constexpr Query erase_batch{"DELETE FROM batches WHERE id = $1::bigint"};
constexpr Query erase_unheard{
    "DELETE FROM advertiser_totals WHERE id = ANY ($1::bigint[]) AND detections <= 0"
    " AND NOT EXISTS (SELECT 1 FROM rollups_day WHERE rollups_day.advertiser = advertiser_totals.id)"};
constexpr Query erase_old_hashes{
    "DELETE FROM batch_hashes WHERE hash IN (SELECT hash FROM batch_hashes WHERE lived_s < $1::bigint"
    " AND (received_at < $2::bigint OR received_at > $3::bigint) ORDER BY lived_s LIMIT 1000)"};
constexpr Query find_rollup_hour{"SELECT rollup_hour_began_s, rollup_hour_left FROM age"};
constexpr Query write_rollup_hour{
    "UPDATE age SET rollup_hour_began_s = $1::bigint, rollup_hour_left = $2::bigint"};
constexpr Query count_days{"SELECT count(*) FROM rollup_days"};
constexpr Query find_first_rolled_up{"SELECT min(first_s) FROM rollup_days"};
constexpr Query find_old_day{
    "SELECT day FROM rollup_days WHERE last_s < $1::bigint AND (received_at < $2::bigint OR received_at > "
    "$3::bigint) ORDER BY last_s LIMIT 1"};
constexpr Query find_rolled_up_before{"SELECT max(day) FROM rollup_days WHERE day < $1::bigint"};
constexpr Query cut_day{"UPDATE rollup_days SET is_cut = 1 WHERE day = $1::bigint AND is_cut = 0"};
constexpr Query erase_rollup_buckets{
    "DELETE FROM rollups WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollups WHERE bucket >= $1::bigint * 288"
    " AND bucket < ($1::bigint + 1) * 288 LIMIT $2::bigint))"};
constexpr Query erase_rollup_hours{
    "DELETE FROM rollups_hour WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollups_hour WHERE hour >= $1::bigint "
    "* 24 AND hour < ($1::bigint + 1) * 24 LIMIT $2::bigint))"};
constexpr Query erase_rollups_of_day{
    "DELETE FROM rollups_day WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollups_day WHERE day = $1::bigint"
    " LIMIT $2::bigint)) RETURNING advertiser"};
constexpr Query erase_rollup_occupancy{
    "DELETE FROM occupancy_rollups USING (VALUES (5), (60), (1440)) AS span (long)"
    " WHERE minutes = long AND number >= $1::bigint * 1440 / long AND number < ($1::bigint + 1) * 1440 / "
    "long"};
constexpr Query erase_rollup_day{"DELETE FROM rollup_days WHERE day = $1::bigint"};
// Of a batch whose detections are not far apart, the first and the last one tell all days.
constexpr Query part_days{
    "UPDATE rollup_days SET is_whole = 0 WHERE is_whole <> 0 AND day = ANY (SELECT unnest(times || "
    "ARRAY[oldest, newest, timestamp]) / 86400000 FROM batches WHERE id = $1::bigint)"};
constexpr Query find_runs{
    "SELECT id, device FROM runs WHERE used_s < $1::bigint ORDER BY used_s LIMIT $2::bigint"};
constexpr Query erase_gaps{"DELETE FROM gaps WHERE run = $1::bigint"};
constexpr Query count_holes{
    "UPDATE devices SET holes = greatest(holes - $2::bigint, 0) WHERE id = $1::bigint"};
constexpr Query erase_turns{
    "DELETE FROM turns WHERE device = $1::bigint AND (run = $2::bigint OR other = $2::bigint)"};
constexpr Query erase_run_row{"DELETE FROM runs WHERE id = $1::bigint"};
constexpr Query find_devices{
    "SELECT id, device_id FROM devices WHERE used_s < $1::bigint"
    " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.device = devices.id) ORDER BY used_s LIMIT $2::bigint"};
constexpr Query erase_stretches{"DELETE FROM stretches WHERE device = $1::bigint"};
constexpr Query erase_places_of{"DELETE FROM device_places WHERE device = $1::bigint"};
constexpr Query erase_device_row{"DELETE FROM devices WHERE id = $1::bigint"};
constexpr Query erase_old_places{
    "DELETE FROM places WHERE id IN (SELECT id FROM places WHERE used_s < $1::bigint LIMIT $2::bigint)"};
constexpr Query unlink_senders{
    "UPDATE devices SET last_sender = NULL WHERE last_sender IN (SELECT id FROM senders WHERE used_s < "
    "$1::bigint)"};
constexpr Query erase_old_senders{"DELETE FROM senders WHERE used_s < $1::bigint"};
constexpr Query grow_epoch{"UPDATE state SET epoch = epoch + 1"};

OldBatch batch_of(const Answer &answer, int row) {
    return {answer.integer(row, 0), answer.integer(row, 3), answer.number(row, 1),
            answer.number(row, 2),  answer.number(row, 5),  answer.integer(row, 4)};
}

}  // namespace

std::optional<OldRows::Hour> PostgresOld::hour() {
    const Answer answer = connection_.ask(find_hour);
    if (answer.rows() == 0) return {};
    return Hour{answer.integer(0, 0), answer.integer(0, 1)};
}

void PostgresOld::begin_hour(const Hour &hour) {
    connection_.queue(set_hour, Values::of(hour.began_s, hour.left));
}

void PostgresOld::spend_hour(std::int64_t batches) {
    connection_.queue(spend, Values::of(batches));
}

std::int64_t PostgresOld::count_batches() {
    return connection_.ask(count_all).integer(0, 0);
}

std::optional<OldRows::First> PostgresOld::first_batch() {
    const Answer answer = connection_.ask(find_first);
    if (answer.rows() == 0) return {};
    return First{answer.integer(0, 0), answer.integer(0, 1)};
}

std::vector<OldBatch> PostgresOld::batches(const Old &old, std::int64_t most) {
    gone_.clear();
    present_ms_ = old.present_ms;
    const Answer answer =
        connection_.ask(find_old, Values::of(old.lived_s, old.before_ms, old.present_ms, most));
    std::vector<OldBatch> found;
    std::vector<std::int64_t> devices;
    for (int row = 0; row < answer.rows(); ++row) {
        found.push_back(batch_of(answer, row));
        devices.push_back(found.back().device);
    }
    if (found.empty()) return found;
    connection_.ask(lock_devices_of, Values::of(devices));
    partitions_.all();
    return found;
}

std::int64_t PostgresOld::erase(const OldBatch &batch) {
    const std::int64_t rows = 1 + (batch.oldest ? erase_detections(batch) : 0);
    connection_.queue(part_days, Values::of(batch.id));
    connection_.queue(unlink_batch, Values::of(batch.id, batch.device));
    connection_.queue(erase_batch, Values::of(batch.id));
    return rows;
}

std::int64_t PostgresOld::erase_detections(const OldBatch &batch) {
    const Partition *const whole = partitions_.of(*batch.oldest, *batch.newest);
    if (whole != nullptr && whole->bytes > large) return 0;
    const bool scattered = are_scattered(*batch.oldest, *batch.newest);
    const Answer answer =
        scattered ? connection_.ask(erase_rows_apart, Values::of(batch.id))
                  : connection_.ask(erase_rows, Values::of(*batch.oldest, *batch.newest, batch.id));
    std::int64_t rows = 0;
    for (int row = 0; row < answer.rows(); ++row) {
        gone_[answer.integer(row, 0)] += answer.integer(row, 1);
        rows += answer.integer(row, 1);
    }
    return rows;
}

std::int64_t PostgresOld::erase_advertisers() {
    if (gone_.empty()) return 0;
    tell_gone(connection_, gone_);
    std::vector<std::int64_t> ids;
    for (const auto &[advertiser, detections] : gone_) ids.push_back(advertiser);
    gone_.clear();
    connection_.execute(wait_to_fold);
    fold_news(connection_);
    return connection_.ask(erase_unheard, Values::of(ids)).changed();
}

std::int64_t PostgresOld::erase_hashes(const Old &old) {
    return connection_.ask(erase_old_hashes, Values::of(old.lived_s, old.before_ms, old.present_ms))
        .changed();
}

OldRows::Hour PostgresOld::rollup_hour() {
    const Answer answer = connection_.ask(find_rollup_hour);
    return {answer.integer(0, 0), answer.integer(0, 1)};
}

void PostgresOld::set_rollup_hour(const Hour &hour) {
    connection_.queue(write_rollup_hour, Values::of(hour.began_s, hour.left));
}

std::int64_t PostgresOld::count_rollup_days() {
    return connection_.ask(count_days).integer(0, 0);
}

std::optional<std::int64_t> PostgresOld::first_rolled_up() {
    return connection_.ask(find_first_rolled_up).number(0, 0);
}

std::optional<std::int64_t> PostgresOld::old_rollup_day(const Old &old) {
    const Answer answer =
        connection_.ask(find_old_day, Values::of(old.lived_s, old.before_ms, old.present_ms));
    return answer.rows() == 0 ? std::nullopt : answer.number(0, 0);
}

std::optional<std::int64_t> PostgresOld::rolled_up_before(std::int64_t day) {
    return connection_.ask(find_rolled_up_before, Values::of(day)).number(0, 0);
}

bool PostgresOld::erase_rollups(std::int64_t day, std::int64_t most) {
    connection_.queue(cut_day, Values::of(day));
    for (const auto &part : {erase_rollup_hours, erase_rollup_buckets})
        if (connection_.ask(part, Values::of(day, most)).changed() > 0) return false;
    const Answer answer = connection_.ask(erase_rollups_of_day, Values::of(day, most));
    for (int row = 0; row < answer.rows(); ++row) gone_.try_emplace(answer.integer(row, 0));
    if (answer.rows() > 0) return false;
    connection_.queue(erase_rollup_occupancy, Values::of(day));
    connection_.queue(erase_rollup_day, Values::of(day));
    return true;
}

std::vector<std::pair<std::int64_t, std::int64_t>> PostgresOld::runs(std::int64_t before_s,
                                                                     std::int64_t most) {
    const Answer answer = connection_.ask(find_runs, Values::of(before_s, most));
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.emplace_back(answer.integer(row, 0), answer.integer(row, 1));
    return found;
}

std::int64_t PostgresOld::erase_run(std::int64_t run, std::int64_t device) {
    const auto holes = connection_.ask(erase_gaps, Values::of(run)).changed();
    if (holes > 0) connection_.queue(count_holes, Values::of(device, holes));
    connection_.queue(erase_turns, Values::of(device, run));
    connection_.queue(erase_run_row, Values::of(run));
    return holes;
}

std::vector<std::pair<std::int64_t, std::string>> PostgresOld::devices(std::int64_t before_s,
                                                                       std::int64_t most) {
    const Answer answer = connection_.ask(find_devices, Values::of(before_s, most));
    std::vector<std::pair<std::int64_t, std::string>> found;
    found.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row)
        found.emplace_back(answer.integer(row, 0), answer.text(row, 1));
    return found;
}

void PostgresOld::erase_device(std::int64_t device) {
    connection_.queue(erase_stretches, Values::of(device));
    connection_.queue(erase_places_of, Values::of(device));
    connection_.queue(erase_device_row, Values::of(device));
}

std::int64_t PostgresOld::erase_places(std::int64_t before_s, std::int64_t most) {
    return connection_.ask(erase_old_places, Values::of(before_s, most)).changed();
}

std::int64_t PostgresOld::erase_senders(std::int64_t before_s) {
    connection_.queue(unlink_senders, Values::of(before_s));
    return connection_.ask(erase_old_senders, Values::of(before_s)).changed();
}

void PostgresOld::new_epoch() {
    connection_.queue(grow_epoch);
}

// The server's own VACUUM takes what was deleted row by row.
Purged PostgresOld::purge() {
    return leftovers_.step(present_ms_);
}

}  // namespace ble
