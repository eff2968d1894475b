#include "store/retention.hpp"

#include <algorithm>
#include <utility>

#include "store/milliseconds.hpp"
#include "store/rows/rollup_rows.hpp"
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
constexpr std::int64_t parts_of_store = 24, always_allowed = 100, days_always_allowed = 10;
constexpr seconds hour_of_deletion = hours(1);

std::int64_t share_of(std::int64_t all, seconds keep) {
    return std::max(all / parts_of_store,
                    2 * all * hour_of_deletion.count() / std::max(keep, hour_of_deletion).count());
}

// The age may have lost some minutes with the machine's power.
bool in_hour(std::int64_t lived_s, const OldRows::Hour &hour) {
    return lived_s >= hour.began_s - hour_of_deletion.count() &&
           lived_s < hour.began_s + hour_of_deletion.count();
}

}  // namespace

Retention::Retention(Tables &tables, StoreAge &age, RollUp &roll_up)
    : tables_(tables), rows_(tables.old()), age_(age), roll_up_(roll_up), coverage_(tables.stretches()) {}

// What has to be alone is done first: while what it leaves is purged, in any number of steps, others write.
Expired Retention::step(const Keep &keep, const Clocks &clocks) {
    Expired result;
    if (!std::exchange(purging_, false)) result = delete_old(keep, clocks);
    if (result.more || !deleted_) return result;
    const auto purged = rows_.purge();
    deleted_ = purged != Purged::all;
    result.more = purging_ = purged == Purged::some;
    result.held_back = purging_ ? std::nullopt : held_back_;  // told at the end
    return result;
}

Expired Retention::delete_old(const Keep &keep, const Clocks &clocks) {
    Expired result;
    Work work(tables_, true);
    const auto seen_s = age_.look(clocks), lived_s = seen_s - age_.ahead_s();
    const auto older_than = [&](seconds time) {
        return Old{lived_s - time.count(), to_milliseconds(clocks.wall - time), to_milliseconds(clocks.wall)};
    };
    result.more = delete_batches(older_than(keep.batches), left_of_hour(lived_s, keep.batches), result);
    if (!result.more && keep.rollups)
        result.more = delete_rollups(lived_s, *keep.rollups, older_than(*keep.rollups));
    if (rows_.erase_advertisers() > 0) rows_.new_epoch();
    if (!result.more) result.more = rows_.erase_hashes(older_than(std::max(keep.batches, hashes_kept))) > 0;
    if (!result.more) result.more = delete_unused(lived_s, keep.batches, result);
    if (!result.more)
        held_back_ = result.held_back = held_back(lived_s, keep.batches, older_than(keep.batches));
    work.commit();
    result.step = age_.take_step();
    deleted_ = deleted_ || result.more || result.batches > 0;
    return result;
}

// How many batches may still be deleted in this hour, which is one of the store's age: a new start does not begin it anew.
std::int64_t Retention::left_of_hour(std::int64_t lived_s, seconds keep) {
    const auto present = rows_.hour();
    if (!present) return 0;
    if (in_hour(lived_s, *present)) return present->left;
    const auto allowed = std::max(share_of(rows_.count_batches(), keep), always_allowed);
    rows_.begin_hour({lived_s, allowed});
    return allowed;
}

bool Retention::delete_batches(const Old &old, std::int64_t left, Expired &result) {
    std::int64_t rows = 0;
    const auto most = std::clamp<std::int64_t>(left, 0, batches_a_step);
    const auto old_ones = rows_.batches(old, most);
    const auto found = rolled_up(old_ones);
    for (auto batch = found.begin(); batch != found.end() && rows < rows_a_step; ++batch) {
        rows += rows_.erase(*batch);
        const Time received = from_milliseconds(batch->received_at);
        result.first = result.batches == 0 ? received : std::min(result.first, received);
        result.last = result.batches == 0 ? received : std::max(result.last, received);
        ++result.batches;
    }
    const auto deleted = static_cast<std::int64_t>(result.batches);
    if (deleted > 0) rows_.spend_hour(deleted);
    return deleted < left &&
           (rows >= rows_a_step || deleted == batches_a_step || found.size() < old_ones.size());
}

// What is not in the rollups yet goes there first; what finds no room in this step stays for the next one.
std::vector<OldBatch> Retention::rolled_up(std::vector<OldBatch> found) {
    std::vector<std::int64_t> ids;
    ids.reserve(found.size());
    for (const auto &batch : found) ids.push_back(batch.id);
    auto due = tables_.rollups().due_among(ids);
    if (due.empty()) return found;
    roll_up_.merge_some();
    due = tables_.rollups().due_among(ids);
    std::erase_if(found, [&](const OldBatch &batch) { return due.contains(batch.id); });
    return found;
}

// A part of a day, or of the next one: true: there may be more. Of the days, too, an hour deletes a share at most.
bool Retention::delete_rollups(std::int64_t lived_s, seconds keep, const Old &old) {
    const auto day = rows_.old_rollup_day(old);
    if (!day) return false;
    auto hour = rows_.rollup_hour();
    if (!in_hour(lived_s, hour)) {
        const auto days = rows_.count_rollup_days();
        hour = {lived_s, std::max(share_of(days, keep), days_always_allowed)};
    }
    const bool allowed = hour.left > 0;
    if (allowed && rows_.erase_rollups(*day, rows_a_step)) {
        --hour.left;
        // With the days before it of which nothing is known but that a window went on.
        const auto before = rows_.rolled_up_before(*day);
        coverage_.cut(before ? (*before + 1) * day_ms : INT64_MIN, (*day + 1) * day_ms);
    }
    rows_.set_rollup_hour(hour);
    return allowed;
}

// Names that neither a batch nor a rollup refers to any more, and what was known of runs and devices that were not heard of for long. Rows are at
// least as young as the batches that refer to them, less what they are told late.
bool Retention::delete_unused(std::int64_t lived_s, seconds keep, Expired &result) {
    const auto first = rows_.first_batch();
    const auto oldest_s = first ? first->lived_s : lived_s;
    const auto rolled_up_s = std::min(oldest_s, rows_.first_rolled_up().value_or(oldest_s));
    const auto unused_since = [&](std::int64_t first_s, seconds time) {
        return std::min(first_s, lived_s - time.count()) - use_told_every_s;
    };
    const auto heard = std::max(keep, runs_kept);
    const auto names_s = unused_since(rolled_up_s, keep), senders_s = unused_since(oldest_s, keep);
    auto deleted =
        delete_runs(unused_since(oldest_s, heard)) + delete_devices(unused_since(rolled_up_s, heard), result);
    deleted += rows_.erase_places(names_s, rows_a_step) + rows_.erase_senders(senders_s);
    if (deleted > 0) rows_.new_epoch();
    return deleted > 0;
}

std::int64_t Retention::delete_runs(std::int64_t before_s) {
    std::int64_t deleted = 0;
    for (const auto &[run, device] : rows_.runs(before_s, batches_a_step)) {
        if (deleted >= rows_a_step) break;
        deleted += 1 + rows_.erase_run(run, device);
    }
    return deleted;
}

std::int64_t Retention::delete_devices(std::int64_t before_s, Expired &result) {
    const auto found = rows_.devices(before_s, batches_a_step);
    for (const auto &[device, device_id] : found) {
        rows_.erase_device(device);
        result.devices.push_back(device_id);
    }
    return static_cast<std::int64_t>(found.size());
}

// By the wall clock the first batch is old, and by what has passed it is not: they are further apart than short pauses of
// the machine make them.
std::optional<HeldBack> Retention::held_back(std::int64_t lived_s, seconds keep, const Old &old) {
    constexpr seconds usual = hours(24);
    const auto first = rows_.first_batch();
    if (!first) return {};
    const auto age_s = lived_s - first->lived_s, received_ms = first->received_at;
    if (age_s > keep.count() || received_ms >= old.before_ms) return {};
    const auto wall_age_s = old.present_ms / 1000 - received_ms / 1000;
    if (wall_age_s - age_s <= std::min(usual, keep / 2).count()) return {};
    return HeldBack{from_milliseconds(received_ms), seconds(std::max<std::int64_t>(age_s, 0))};
}

}  // namespace ble
