#include "store/retention.hpp"

#include <algorithm>

namespace ble {
namespace {

constexpr std::int64_t rows_a_step = 2'000;
// Detections this far apart (a clock was set within the window) are far apart in the table: a long way for one step.
constexpr std::int64_t long_way_ms = 3'600'000;
// Batches without run_id are recognised by their hash for at least this long, however short the retention.
constexpr std::int64_t hashes_kept_ms = std::int64_t{90} * 86'400'000;

}  // namespace

Retention::Retention(Database &database)
    : database_(database),
      old_batch_(database,
                 "SELECT id, oldest, newest FROM batches WHERE received_at < ? ORDER BY received_at LIMIT 1"),
      delete_detections_(
          database,
          "DELETE FROM detections WHERE timestamp BETWEEN ? AND ? AND batch = ? RETURNING advertiser"),
      delete_details_(database, "DELETE FROM details WHERE batch = ?"),
      unlink_batch_(database, "UPDATE devices SET last_batch = NULL WHERE last_batch = ?"),
      delete_batch_(database, "DELETE FROM batches WHERE id = ?"),
      count_down_(database, "UPDATE advertisers SET detections = detections - ?2 WHERE id = ?1"),
      delete_advertiser_(database, "DELETE FROM advertisers WHERE id = ? AND detections <= 0"),
      delete_hashes_(
          database,
          "DELETE FROM batch_hashes WHERE hash IN (SELECT hash FROM batch_hashes WHERE received_at < ? "
          "ORDER BY received_at LIMIT 1000)"),
      new_epoch_(database, "UPDATE state SET epoch = epoch + 1") {}

bool Retention::step(std::int64_t before_ms, std::int64_t now_ms) {
    gone_.clear();
    Transaction transaction(database_);
    bool more = delete_batches(before_ms);
    delete_advertisers();
    if (!more) more = delete_hashes(std::min(before_ms, now_ms - hashes_kept_ms));
    transaction.commit();
    deleted_ = deleted_ || more || !gone_.empty();
    if (!more && deleted_) {
        // Deleted content still stands in the log until that is overwritten. When a reader is in the way, next time.
        deleted_ = database_.integer("PRAGMA wal_checkpoint(TRUNCATE)").value_or(1) != 0;
    }
    return more;
}

bool Retention::delete_batches(std::int64_t before_ms) {
    for (std::int64_t rows = 0; rows < rows_a_step;) {
        old_batch_.bind(1, before_ms);
        if (!old_batch_.step()) return false;
        const auto batch = old_batch_.integer(0), oldest = old_batch_.integer(1),
                   newest = old_batch_.integer(2);
        const bool empty = old_batch_.is_null(1);
        old_batch_.reset();
        rows += 1 + (empty ? 0 : delete_batch(batch, oldest, newest));
        if (newest / 2 - oldest / 2 > long_way_ms / 2)
            rows = rows_a_step;  // halves: a database may say anything
        unlink_batch_.run(batch);
        delete_batch_.run(batch);
    }
    return true;
}

std::int64_t Retention::delete_batch(std::int64_t batch, std::int64_t oldest, std::int64_t newest) {
    std::int64_t rows = 0;
    delete_detections_.bind(1, oldest).bind(2, newest).bind(3, batch);
    while (delete_detections_.step()) {
        ++gone_[delete_detections_.integer(0)];
        ++rows;
    }
    delete_details_.run(batch);
    return rows;
}

void Retention::delete_advertisers() {
    std::int64_t deleted = 0;
    for (const auto &[advertiser, detections] : gone_) {
        count_down_.run(advertiser, detections);
        delete_advertiser_.run(advertiser);
        deleted += database_.changes();
    }
    if (deleted > 0) new_epoch_.run();
}

bool Retention::delete_hashes(std::int64_t before_ms) {
    delete_hashes_.run(before_ms);
    return database_.changes() > 0;
}

}  // namespace ble
