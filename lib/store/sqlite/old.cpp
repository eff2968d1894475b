#include "store/sqlite/old.hpp"
#include "store/milliseconds.hpp"

#include "store/rows/rollup_rows.hpp"
#include "store/scattered.hpp"

namespace ble {
namespace {

// A long way through the table counts as that many rows: more than a step takes.
constexpr std::int64_t long_way = 2'000;

OldBatch batch_of(const Statement &row) {
    OldBatch batch{row.integer(0), row.integer(3), {}, {}, {}, row.integer(4)};
    if (!row.is_null(1)) {
        batch.oldest = row.integer(1);
        batch.newest = row.integer(2);
    }
    if (!row.is_null(5)) batch.timestamp = row.integer(5);
    return batch;
}

}  // namespace

SqliteOld::SqliteOld(Database &database)
    : database_(database),
      hour_(database, "SELECT hour_began_s, hour_left FROM age"),
      begin_hour_(database, "UPDATE age SET hour_began_s = ?, hour_left = ?"),
      spend_hour_(database, "UPDATE age SET hour_left = hour_left - ?"),
      old_batches_(database,
                   "SELECT id, oldest, newest, received_at, device, timestamp FROM batches"
                   " WHERE lived_s < ? AND (received_at < ? OR received_at > ?) ORDER BY lived_s LIMIT ?"),
      first_batch_(database, "SELECT lived_s, received_at FROM batches ORDER BY lived_s LIMIT 1"),
      erase_detections_(database,
                        "DELETE FROM detections WHERE timestamp BETWEEN ? AND ? AND batch = ? RETURNING "
                        "advertiser, timestamp"),
      erase_scattered_(database, "DELETE FROM scattered WHERE batch = ? RETURNING n, timestamp"),
      scattered_(database,
                 "DELETE FROM detections WHERE timestamp = ? AND batch = ? AND n = ? RETURNING advertiser, "
                 "timestamp"),
      erase_details_(database, "DELETE FROM details WHERE batch = ?"),
      unlink_batch_(database, "UPDATE devices SET last_batch = NULL WHERE last_batch = ?"),
      erase_batch_(database, "DELETE FROM batches WHERE id = ?"),
      count_down_(database, "UPDATE advertisers SET detections = detections - ?2 WHERE id = ?1"),
      erase_advertiser_(database,
                        "DELETE FROM advertisers WHERE id = ?1 AND detections <= 0"
                        " AND NOT EXISTS (SELECT 1 FROM rollups_day WHERE advertiser = ?1)"),
      erase_hashes_(database,
                    "DELETE FROM batch_hashes WHERE hash IN (SELECT hash FROM batch_hashes WHERE lived_s < ? "
                    "AND (received_at < ? OR received_at > ?) ORDER BY lived_s LIMIT 1000)"),
      new_epoch_(database, "UPDATE state SET epoch = epoch + 1"),
      old_runs_(database, "SELECT id, device FROM runs WHERE used_s < ? ORDER BY used_s LIMIT ?"),
      erase_gaps_(database, "DELETE FROM gaps WHERE run = ?"),
      erase_turns_(database, "DELETE FROM turns WHERE device = ?1 AND (run = ?2 OR other = ?2)"),
      erase_run_(database, "DELETE FROM runs WHERE id = ?"),
      count_holes_(database, "UPDATE devices SET holes = max(holes - ?2, 0) WHERE id = ?1"),
      rollup_hour_(database, "SELECT rollup_hour_began_s, rollup_hour_left FROM age"),
      set_rollup_hour_(database, "UPDATE age SET rollup_hour_began_s = ?, rollup_hour_left = ?"),
      first_rolled_up_(database, "SELECT min(first_s) FROM rollup_days"),
      old_rollup_day_(database,
                      "SELECT day FROM rollup_days WHERE last_s < ? AND (received_at < ? OR received_at > ?)"
                      " ORDER BY last_s LIMIT 1"),
      rolled_up_before_(database, "SELECT max(day) FROM rollup_days WHERE day < ?"),
      cut_day_(database, "UPDATE rollup_days SET is_cut = 1 WHERE day = ? AND is_cut = 0"),
      erase_buckets_(database,
                     "DELETE FROM rollups WHERE (bucket, place, advertiser, device) IN (SELECT bucket, place,"
                     " advertiser, device FROM rollups WHERE bucket >= ?1 * 288 AND bucket < (?1 + 1) * 288"
                     " LIMIT ?2)"),
      erase_hours_(
          database,
          "DELETE FROM rollups_hour WHERE (hour, place, advertiser, device) IN (SELECT hour, place,"
          " advertiser, device FROM rollups_hour WHERE hour >= ?1 * 24 AND hour < (?1 + 1) * 24 LIMIT ?2)"),
      erase_occupancy_(database,
                       "DELETE FROM occupancy_rollups WHERE minutes = ?2 AND number >= ?1 * 1440 / ?2"
                       " AND number < (?1 + 1) * 1440 / ?2"),
      erase_day_(database,
                 "DELETE FROM rollups_day WHERE (day, place, advertiser, device) IN (SELECT day, place,"
                 " advertiser, device FROM rollups_day WHERE day = ? LIMIT ?) RETURNING advertiser"),
      erase_rollup_day_(database, "DELETE FROM rollup_days WHERE day = ?"),
      part_rollup_day_(database, "UPDATE rollup_days SET is_whole = 0 WHERE day = ? AND is_whole <> 0"),
      old_devices_(
          database,
          "SELECT id, device_id FROM devices WHERE used_s < ?"
          " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.device = devices.id) ORDER BY used_s LIMIT ?"),
      erase_stretches_(database, "DELETE FROM stretches WHERE device = ?"),
      erase_places_of_(database, "DELETE FROM device_places WHERE device = ?"),
      erase_device_(database, "DELETE FROM devices WHERE id = ?"),
      erase_places_(database,
                    "DELETE FROM places WHERE id IN (SELECT id FROM places WHERE used_s < ? LIMIT ?)"),
      unlink_senders_(database,
                      "UPDATE devices SET last_sender = NULL WHERE last_sender IN"
                      " (SELECT id FROM senders WHERE used_s < ?)"),
      erase_senders_(database, "DELETE FROM senders WHERE used_s < ?") {}

std::optional<OldRows::Hour> SqliteOld::hour() {
    if (!hour_.step()) return {};
    const Hour hour{hour_.integer(0), hour_.integer(1)};
    hour_.reset();
    return hour;
}

std::int64_t SqliteOld::count_batches() {
    return database_.integer("SELECT count(*) FROM batches").value_or(0);
}

std::optional<OldRows::First> SqliteOld::first_batch() {
    if (!first_batch_.step()) return {};
    const First first{first_batch_.integer(0), first_batch_.integer(1)};
    first_batch_.reset();
    return first;
}

std::vector<OldBatch> SqliteOld::batches(const Old &old, std::int64_t most) {
    gone_.clear();
    std::vector<OldBatch> found;
    old_batches_.bind(1, old.lived_s).bind(2, old.before_ms).bind(3, old.present_ms).bind(4, most);
    while (old_batches_.step()) found.push_back(batch_of(old_batches_));
    return found;
}

std::int64_t SqliteOld::erase(const OldBatch &batch) {
    std::int64_t rows = 1;
    days_.clear();
    if (batch.timestamp) days_.insert(*batch.timestamp / day_ms);
    if (batch.oldest) {
        rows += erase_detections(batch.id, *batch.oldest, *batch.newest);
        erase_details_.run(batch.id);
    }
    for (const auto day : days_) part_rollup_day_.run(day);
    unlink_batch_.run(batch.id);
    erase_batch_.run(batch.id);
    return rows;
}

std::int64_t SqliteOld::erase_detections(std::int64_t batch, std::int64_t oldest, std::int64_t newest) {
    const bool scattered = are_scattered(oldest, newest);
    std::int64_t rows = 0;
    if (scattered) {
        erase_scattered_.bind(1, batch);
        while (erase_scattered_.step()) {
            scattered_.bind(1, erase_scattered_.integer(1))
                .bind(2, batch)
                .bind(3, erase_scattered_.integer(0));
            rows += erase_detections(scattered_);
        }
    }
    if (rows > 0) return rows;
    erase_detections_.bind(1, oldest).bind(2, newest).bind(3, batch);
    rows = erase_detections(erase_detections_);
    // Of a batch that was stored before it was kept where they are: one a step.
    return scattered ? rows + long_way : rows;
}

std::int64_t SqliteOld::erase_detections(Statement &statement) {
    std::int64_t rows = 0;
    for (; statement.step(); ++rows) {
        ++gone_[statement.integer(0)];
        days_.insert(statement.integer(1) / day_ms);
    }
    return rows;
}

std::int64_t SqliteOld::erase_advertisers() {
    std::int64_t erased = 0;
    for (const auto &[advertiser, detections] : gone_) {
        count_down_.run(advertiser, detections);
        erase_advertiser_.run(advertiser);
        erased += database_.changes();
    }
    gone_.clear();
    return erased;
}

std::int64_t SqliteOld::erase_hashes(const Old &old) {
    erase_hashes_.run(old.lived_s, old.before_ms, old.present_ms);
    return database_.changes();
}

OldRows::Hour SqliteOld::rollup_hour() {
    rollup_hour_.step();
    const Hour hour{rollup_hour_.integer(0), rollup_hour_.integer(1)};
    rollup_hour_.reset();
    return hour;
}

void SqliteOld::set_rollup_hour(const Hour &hour) {
    set_rollup_hour_.run(hour.began_s, hour.left);
}

std::int64_t SqliteOld::count_rollup_days() {
    return database_.integer("SELECT count(*) FROM rollup_days").value_or(0);
}

std::optional<std::int64_t> SqliteOld::first_rolled_up() {
    first_rolled_up_.step();
    const auto first =
        first_rolled_up_.is_null(0) ? std::nullopt : std::optional(first_rolled_up_.integer(0));
    first_rolled_up_.reset();
    return first;
}

std::optional<std::int64_t> SqliteOld::old_rollup_day(const Old &old) {
    return old_rollup_day_.find(old.lived_s, old.before_ms, old.present_ms);
}

std::optional<std::int64_t> SqliteOld::rolled_up_before(std::int64_t day) {
    rolled_up_before_.bind(1, day);
    rolled_up_before_.step();
    const auto before =
        rolled_up_before_.is_null(0) ? std::nullopt : std::optional(rolled_up_before_.integer(0));
    rolled_up_before_.reset();
    return before;
}

bool SqliteOld::erase_rollups(std::int64_t day, std::int64_t most) {
    cut_day_.run(day);
    for (auto *part : {&erase_hours_, &erase_buckets_}) {
        part->run(day, most);
        if (database_.changes() > 0) return false;
    }
    std::int64_t rows = 0;
    erase_day_.bind(1, day).bind(2, most);
    for (; erase_day_.step(); ++rows) gone_.try_emplace(erase_day_.integer(0));
    if (rows > 0) return false;
    for (const std::int64_t minutes : {5, 60, 1440}) erase_occupancy_.run(day, minutes);
    erase_rollup_day_.run(day);
    return true;
}

std::vector<std::pair<std::int64_t, std::int64_t>> SqliteOld::runs(std::int64_t before_s, std::int64_t most) {
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    old_runs_.bind(1, before_s).bind(2, most);
    while (old_runs_.step()) found.emplace_back(old_runs_.integer(0), old_runs_.integer(1));
    return found;
}

std::int64_t SqliteOld::erase_run(std::int64_t run, std::int64_t device) {
    erase_gaps_.run(run);
    const auto holes = database_.changes();
    if (holes > 0) count_holes_.run(device, holes);
    erase_turns_.run(device, run);
    erase_run_.run(run);
    return holes;
}

std::vector<std::pair<std::int64_t, std::string>> SqliteOld::devices(std::int64_t before_s,
                                                                     std::int64_t most) {
    std::vector<std::pair<std::int64_t, std::string>> found;
    old_devices_.bind(1, before_s).bind(2, most);
    while (old_devices_.step()) found.emplace_back(old_devices_.integer(0), old_devices_.text(1));
    return found;
}

void SqliteOld::erase_device(std::int64_t device) {
    for (auto *statement : {&erase_stretches_, &erase_places_of_, &erase_device_}) statement->run(device);
}

std::int64_t SqliteOld::erase_places(std::int64_t before_s, std::int64_t most) {
    erase_places_.run(before_s, most);
    return database_.changes();
}

std::int64_t SqliteOld::erase_senders(std::int64_t before_s) {
    unlink_senders_.run(before_s);
    erase_senders_.run(before_s);
    return database_.changes();
}

Purged SqliteOld::purge() {
    // Erased content still stands in the log until that is overwritten. When a reader is in the way, next time.
    const bool done = database_.integer("PRAGMA wal_checkpoint(TRUNCATE)").value_or(1) == 0;
    return done ? Purged::all : Purged::later;
}

}  // namespace ble
