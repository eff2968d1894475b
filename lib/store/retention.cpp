#include "store/retention.hpp"

#include <algorithm>
#include <utility>

#include "store/milliseconds.hpp"
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

Retention::Retention(Tables &tables, StoreAge &age)
    : tables_(tables), rows_(tables.old()), age_(age), coverage_(tables.stretches()) {}

// What has to be alone is done first: while what it leaves is purged, in any number of steps, others write.
Expired Retention::step(seconds keep, const Clocks &clocks) {
    Expired result;
    if (!std::exchange(purging_, false)) result = delete_old(keep, clocks);
    if (result.more || !deleted_) return result;
    const auto purged = rows_.purge();
    deleted_ = purged != Purged::all;
    result.more = purging_ = purged == Purged::some;
    result.held_back = purging_ ? std::nullopt : held_back_;  // told at the end
    return result;
}

Expired Retention::delete_old(seconds keep, const Clocks &clocks) {
    Expired result;
    Work work(tables_, true);
    coverage_.forget();
    const auto seen_s = age_.look(clocks), lived_s = seen_s - age_.ahead_s();
    const auto older_than = [&](seconds time) {
        return Old{lived_s - time.count(), to_milliseconds(clocks.wall - time), to_milliseconds(clocks.wall)};
    };
    result.more = delete_batches(older_than(keep), left_of_hour(lived_s, keep), result);
    coverage_.flush();
    if (rows_.erase_advertisers() > 0) rows_.new_epoch();
    if (!result.more) result.more = rows_.erase_hashes(older_than(std::max(keep, hashes_kept))) > 0;
    if (!result.more) result.more = delete_unused(lived_s, keep, result);
    if (!result.more) held_back_ = result.held_back = held_back(lived_s, keep, older_than(keep));
    work.commit();
    result.step = age_.take_step();
    deleted_ = deleted_ || result.more || result.batches > 0;
    return result;
}

// How many batches may still be deleted in this hour, which is one of the store's age: a new start does not begin it anew.
std::int64_t Retention::left_of_hour(std::int64_t lived_s, seconds keep) {
    constexpr seconds hour = hours(1);
    const auto present = rows_.hour();
    if (!present) return 0;
    // The age may have lost some minutes with the machine's power.
    if (lived_s >= present->began_s - hour.count() && lived_s < present->began_s + hour.count())
        return present->left;
    const auto batches = rows_.count_batches();
    const auto share =
        std::max(batches / parts_of_store, 2 * batches * hour.count() / std::max(keep, hour).count());
    const auto allowed = std::max(share, always_allowed);
    rows_.begin_hour({lived_s, allowed});
    return allowed;
}

bool Retention::delete_batches(const Old &old, std::int64_t left, Expired &result) {
    std::int64_t rows = 0;
    const auto most = std::clamp<std::int64_t>(left, 0, batches_a_step);
    const auto found = rows_.batches(old, most);
    for (auto batch = found.begin(); batch != found.end() && rows < rows_a_step; ++batch) {
        rows += rows_.erase(*batch);
        if (batch->window) coverage_.remove(*batch->window);
        const Time received = from_milliseconds(batch->received_at);
        result.first = result.batches == 0 ? received : std::min(result.first, received);
        result.last = result.batches == 0 ? received : std::max(result.last, received);
        ++result.batches;
    }
    const auto deleted = static_cast<std::int64_t>(result.batches);
    if (deleted > 0) rows_.spend_hour(deleted);
    return deleted < left && (rows >= rows_a_step || deleted == batches_a_step);
}

// Names that no batch refers to any more, and what was known of runs and devices that were not heard of for long. Rows are at
// least as young as the batches that refer to them, less what they are told late.
bool Retention::delete_unused(std::int64_t lived_s, seconds keep, Expired &result) {
    const auto first = rows_.first_batch();
    const auto oldest_s = first ? first->lived_s : lived_s;
    const auto unused_since = [&](seconds time) {
        return std::min(oldest_s, lived_s - time.count()) - use_told_every_s;
    };
    const auto names_s = unused_since(keep), runs_s = unused_since(std::max(keep, runs_kept));
    auto deleted = delete_runs(runs_s) + delete_devices(runs_s, result);
    deleted += rows_.erase_places(names_s, rows_a_step) + rows_.erase_senders(names_s);
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
