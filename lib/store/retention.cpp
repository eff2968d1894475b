#include "store/retention.hpp"

#include <algorithm>

#include "store/milliseconds.hpp"
#include "store/scattered.hpp"
#include "store/used.hpp"

namespace ble {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::int64_t rows_a_step = 2'000, batches_a_step = 200;
// Batches without run_id are recognised by their hash for at least this long, however short the retention.
constexpr seconds hashes_kept = hours(24 * 90);

// A run, its holes and its device are kept for at least this long after they were last heard of, however short the retention:
// longer than any repetition takes to come.
constexpr seconds runs_kept = hours(24 * 30);

// Of the batches there are, an hour may delete a 24th, so that a wrong word is noticed before all is gone; or twice the
// share that an hour has in a short retention, so that it keeps up. A few go in any case, so that it comes to an end.
constexpr std::int64_t parts_of_store = 24, always_allowed = 100;

}  // namespace

Retention::Retention(Database &database, StoreAge &age)
    : database_(database),
      age_(age),
      coverage_(database),
      hour_(database, "SELECT hour_began_s, hour_left FROM age"),
      begin_hour_(database, "UPDATE age SET hour_began_s = ?, hour_left = ?"),
      spend_hour_(database, "UPDATE age SET hour_left = hour_left - ?"),
      old_batches_(database,
                   "SELECT id, oldest, newest, received_at, device, coalesce(place, 0), coalesce(clock, -1),"
                   " timestamp, window_ms, interval_ms FROM batches"
                   " WHERE lived_s < ? AND (received_at < ? OR received_at > ?) ORDER BY lived_s LIMIT ?"),
      delete_detections_(
          database,
          "DELETE FROM detections WHERE timestamp BETWEEN ? AND ? AND batch = ? RETURNING advertiser"),
      delete_scattered_(database, "DELETE FROM scattered WHERE batch = ? RETURNING n, timestamp"),
      scattered_(database,
                 "DELETE FROM detections WHERE timestamp = ? AND batch = ? AND n = ? RETURNING advertiser"),
      delete_details_(database, "DELETE FROM details WHERE batch = ?"),
      unlink_batch_(database, "UPDATE devices SET last_batch = NULL WHERE last_batch = ?"),
      delete_batch_(database, "DELETE FROM batches WHERE id = ?"),
      count_down_(database, "UPDATE advertisers SET detections = detections - ?2 WHERE id = ?1"),
      delete_advertiser_(database, "DELETE FROM advertisers WHERE id = ? AND detections <= 0"),
      delete_hashes_(
          database,
          "DELETE FROM batch_hashes WHERE hash IN (SELECT hash FROM batch_hashes WHERE lived_s < ? "
          "AND (received_at < ? OR received_at > ?) ORDER BY lived_s LIMIT 1000)"),
      first_batch_(database, "SELECT lived_s, received_at FROM batches ORDER BY lived_s LIMIT 1"),
      new_epoch_(database, "UPDATE state SET epoch = epoch + 1"),
      old_runs_(database, "SELECT id, device FROM runs WHERE used_s < ? ORDER BY used_s LIMIT ?"),
      delete_gaps_(database, "DELETE FROM gaps WHERE run = ?"),
      delete_turns_(database, "DELETE FROM turns WHERE device = ?1 AND (run = ?2 OR other = ?2)"),
      delete_run_(database, "DELETE FROM runs WHERE id = ?"),
      count_holes_(database, "UPDATE devices SET holes = max(holes - ?2, 0) WHERE id = ?1"),
      old_devices_(
          database,
          "SELECT id, device_id FROM devices WHERE used_s < ?"
          " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.device = devices.id) ORDER BY used_s LIMIT ?"),
      delete_device_(database, "DELETE FROM devices WHERE id = ?"),
      delete_places_(database,
                     "DELETE FROM places WHERE id IN (SELECT id FROM places WHERE used_s < ? LIMIT ?)"),
      unlink_senders_(database,
                      "UPDATE devices SET last_sender = NULL WHERE last_sender IN"
                      " (SELECT id FROM senders WHERE used_s < ?)"),
      delete_senders_(database, "DELETE FROM senders WHERE used_s < ?") {}

Expired Retention::step(seconds keep, const Clocks &clocks) {
    gone_.clear();
    Expired result;
    Transaction transaction(database_);
    coverage_.forget();
    const auto lived_s = age_.look(clocks);
    const auto older_than = [&](seconds time) {
        return Old{lived_s - time.count(), to_milliseconds(clocks.wall - time), to_milliseconds(clocks.wall)};
    };
    result.more = delete_batches(older_than(keep), left_of_hour(lived_s, keep), result);
    coverage_.flush();
    delete_advertisers();
    if (!result.more) result.more = delete_hashes(older_than(std::max(keep, hashes_kept)));
    if (!result.more) result.more = delete_unused(lived_s, keep, result);
    if (!result.more) result.held_back = held_back(lived_s, keep, older_than(keep));
    transaction.commit();
    result.step = age_.take_step();
    deleted_ = deleted_ || result.more || !gone_.empty();
    if (!result.more && deleted_) {
        // Deleted content still stands in the log until that is overwritten. When a reader is in the way, next time.
        deleted_ = database_.integer("PRAGMA wal_checkpoint(TRUNCATE)").value_or(1) != 0;
    }
    return result;
}

// How many batches may still be deleted in this hour, which is one of the store's age: a new start does not begin it anew.
std::int64_t Retention::left_of_hour(std::int64_t lived_s, seconds keep) {
    constexpr seconds hour = hours(1);
    if (!hour_.step()) return 0;
    const auto began_s = hour_.integer(0), left = hour_.integer(1);
    hour_.reset();
    // The age may have lost some minutes with the machine's power.
    if (lived_s >= began_s - hour.count() && lived_s < began_s + hour.count()) return left;
    const auto batches = database_.integer("SELECT count(*) FROM batches").value_or(0);
    const auto share =
        std::max(batches / parts_of_store, 2 * batches * hour.count() / std::max(keep, hour).count());
    const auto allowed = std::max(share, always_allowed);
    begin_hour_.run(lived_s, allowed);
    return allowed;
}

std::vector<Retention::Found> Retention::find(const Old &old, std::int64_t most) {
    std::vector<Found> found;
    old_batches_.bind(1, old.lived_s).bind(2, old.before_ms).bind(3, old.present_ms).bind(4, most);
    while (old_batches_.step())
        found.push_back({old_batches_.integer(0),
                         old_batches_.integer(1),
                         old_batches_.integer(2),
                         old_batches_.integer(3),
                         old_batches_.is_null(1),
                         !old_batches_.is_null(7) && !old_batches_.is_null(8),
                         {old_batches_.integer(4), old_batches_.integer(5), old_batches_.integer(6),
                          old_batches_.integer(7), old_batches_.integer(8), old_batches_.integer(9)}});
    return found;
}

bool Retention::delete_batches(const Old &old, std::int64_t left, Expired &result) {
    std::int64_t rows = 0;
    const auto most = std::clamp<std::int64_t>(left, 0, batches_a_step);
    const auto found = find(old, most);
    for (auto batch = found.begin(); batch != found.end() && rows < rows_a_step; ++batch) {
        rows += 1 + (batch->empty ? 0 : delete_batch(*batch));
        unlink_batch_.run(batch->id);
        delete_batch_.run(batch->id);
        if (batch->listened) coverage_.remove(batch->window);
        const Time received = from_milliseconds(batch->received_ms);
        result.first = result.batches == 0 ? received : std::min(result.first, received);
        result.last = result.batches == 0 ? received : std::max(result.last, received);
        ++result.batches;
    }
    const auto deleted = static_cast<std::int64_t>(result.batches);
    if (deleted > 0) spend_hour_.run(deleted);
    return deleted < left && (rows >= rows_a_step || deleted == batches_a_step);
}

std::int64_t Retention::delete_batch(const Found &batch) {
    std::int64_t rows = 0;
    if (are_scattered(batch.oldest, batch.newest)) {
        delete_scattered_.bind(1, batch.id);
        while (delete_scattered_.step()) {
            scattered_.bind(1, delete_scattered_.integer(1))
                .bind(2, batch.id)
                .bind(3, delete_scattered_.integer(0));
            rows += delete_detections(scattered_);
        }
    }
    if (rows == 0) {
        delete_detections_.bind(1, batch.oldest).bind(2, batch.newest).bind(3, batch.id);
        rows = delete_detections(delete_detections_);
        // A long way through the table, of a batch that was stored before it was kept where they are: one a step.
        if (are_scattered(batch.oldest, batch.newest)) rows += rows_a_step;
    }
    delete_details_.run(batch.id);
    return rows;
}

std::int64_t Retention::delete_detections(Statement &statement) {
    std::int64_t rows = 0;
    for (; statement.step(); ++rows) ++gone_[statement.integer(0)];
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

bool Retention::delete_hashes(const Old &old) {
    delete_hashes_.run(old.lived_s, old.before_ms, old.present_ms);
    return database_.changes() > 0;
}

// Names that no batch refers to any more, and what was known of runs and devices that were not heard of for long. Rows are at
// least as young as the batches that refer to them, less what they are told late.
bool Retention::delete_unused(std::int64_t lived_s, seconds keep, Expired &result) {
    const auto oldest_s = first_batch_.find().value_or(lived_s);
    const auto unused_since = [&](seconds time) {
        return std::min(oldest_s, lived_s - time.count()) - use_told_every_s;
    };
    const auto names_s = unused_since(keep), runs_s = unused_since(std::max(keep, runs_kept));
    auto deleted = delete_runs(runs_s) + delete_devices(runs_s, result);
    delete_places_.run(names_s, rows_a_step);
    deleted += database_.changes();
    unlink_senders_.run(names_s);
    delete_senders_.run(names_s);
    deleted += database_.changes();
    if (deleted > 0) new_epoch_.run();
    return deleted > 0;
}

std::int64_t Retention::delete_runs(std::int64_t before_s) {
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    old_runs_.bind(1, before_s).bind(2, batches_a_step);
    while (old_runs_.step()) found.emplace_back(old_runs_.integer(0), old_runs_.integer(1));
    std::int64_t deleted = 0;
    for (const auto &[run, device] : found) {
        if (deleted >= rows_a_step) break;
        delete_gaps_.run(run);
        const auto holes = database_.changes();
        if (holes > 0) count_holes_.run(device, holes);
        delete_turns_.run(device, run);
        delete_run_.run(run);
        deleted += 1 + holes;
    }
    return deleted;
}

std::int64_t Retention::delete_devices(std::int64_t before_s, Expired &result) {
    std::vector<std::int64_t> found;
    old_devices_.bind(1, before_s).bind(2, batches_a_step);
    while (old_devices_.step()) {
        found.push_back(old_devices_.integer(0));
        result.devices.emplace_back(old_devices_.text(1));
    }
    for (const auto device : found) delete_device_.run(device);
    return static_cast<std::int64_t>(found.size());
}

// By the wall clock the first batch is old, and by what has passed it is not: they are further apart than short pauses of
// the machine make them.
std::optional<HeldBack> Retention::held_back(std::int64_t lived_s, seconds keep, const Old &old) {
    constexpr seconds usual = hours(24);
    if (!first_batch_.step()) return {};
    const auto age_s = lived_s - first_batch_.integer(0), received_ms = first_batch_.integer(1);
    first_batch_.reset();
    if (age_s > keep.count() || received_ms >= old.before_ms) return {};
    const auto wall_age_s = old.present_ms / 1000 - received_ms / 1000;
    if (wall_age_s - age_s <= std::min(usual, keep / 2).count()) return {};
    return HeldBack{from_milliseconds(received_ms), seconds(std::max<std::int64_t>(age_s, 0))};
}

}  // namespace ble
