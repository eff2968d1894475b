#include "store/batch_store.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "base/digest.hpp"
#include "batch/sender.hpp"
#include "store/milliseconds.hpp"
#include "store/plain_json.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

using Outcome = StoreOutcome::Kind;

constexpr std::size_t digest_bytes = 16;
// A transaction that collides again and again gives way for a while, like one in trouble.
constexpr std::size_t most_collisions = 20;

// A device's clock before this is one that was never set.
constexpr std::int64_t first_plausible_ms = 946'684'800'000;  // the year 2000

// A moment, and not the same for two that collide.
void give_way(std::size_t collisions) {
    static std::minstd_rand random(std::random_device{}());
    const auto most_ms = 5 * (collisions + 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % most_ms));
}

std::string bytes_of(const Sha256 &hash) {
    return {reinterpret_cast<const char *>(hash.data()), hash.size()};
}

Series series_of(const Batch &batch, std::int64_t device, std::optional<std::int64_t> place) {
    return {device, place.value_or(0), batch.clock_synced ? *batch.clock_synced : -1};
}

void tell(const std::vector<RunLedger::Piece> &pieces, const std::string &device_id,
          const std::string &run_id, StoreResult &result) {
    for (const auto &piece : pieces) {
        if (result.holes.size() >= StoreResult::most_holes) {
            ++result.untold;
            continue;
        }
        result.holes.push_back({device_id,
                                run_id,
                                static_cast<std::uint64_t>(piece.from),
                                static_cast<std::uint64_t>(piece.to),
                                piece.reason,
                                {},
                                span_of(piece.lost)});
    }
}

}  // namespace

BatchStore::BatchStore(std::unique_ptr<Tables> tables)
    : tables_(std::move(tables)),
      catalog_(tables_->names()),
      runs_(tables_->runs()),
      age_(tables_->age()),
      coverage_(tables_->stretches()),
      twins_(tables_->turns()),
      roll_up_(*tables_),
      retention_(*tables_, age_, roll_up_) {}

StoreResult BatchStore::store(const std::vector<StoreItem> &items, const Clocks &present) {
    present_ = present;
    received_at_ms_ = to_milliseconds(present.wall);
    return told_apart([&] {
        if (tables_->check()) forget();
        catalog_.bound();
        for (std::size_t collisions = 0;; ++collisions) {
            try {
                StoreResult result = store_once(items);
                result.collisions = collisions;
                return result;
            } catch (const DatabaseError &error) {
                forget();
                if (error.kind() != DatabaseError::Kind::collision || collisions == most_collisions) throw;
            }
            give_way(collisions);
        }
    });
}

StoreResult BatchStore::store_once(const std::vector<StoreItem> &items) {
    try {
        return store_together(items);
    } catch (const DatabaseError &error) {
        if (error.kind() != DatabaseError::Kind::constraint) throw;
        forget();
    }
    // Rare, so it may be slow: once more, each line by itself, to find those that cannot be stored.
    return store_apart(items);
}

StoreResult BatchStore::store_together(const std::vector<StoreItem> &items) {
    for (bool again = false;; again = true) {
        if (tables_->foresees()) catalog_.learn(items, received_at_ms_);
        Work work(*tables_);
        const bool forgotten = !begin();
        // One by one they would take long.
        if (forgotten && tables_->foresees() && !again) continue;
        if (tables_->foresees()) tables_->expect(foresee(items));
        StoreResult result;
        result.outcomes.reserve(items.size());
        for (const auto &item : items) add(item, result);
        flush();
        work.commit();
        return result;
    }
}

// What add() will ask about these lines, as far as can be told before it does.
Expected BatchStore::foresee(const std::vector<StoreItem> &items) {
    Expected all = devices_of(items);
    std::set<std::pair<std::int64_t, std::string_view>> runs;
    std::set<Series> series;
    for (const auto &item : items) {
        const auto device = catalog_.device(item.device_id());
        if (item.gap != nullptr) runs.emplace(device, item.gap->run_id);
        if (item.run != nullptr) runs.emplace(device, item.run->run_id);
        if (item.batch == nullptr) continue;
        const Batch &batch = *item.batch;
        if (batch.position) runs.emplace(device, batch.position->run_id);
        if (batch.position && batch.archive)
            all.names.push_back(
                {device, batch.position->run_id, static_cast<std::int64_t>(batch.position->seq)});
        if (!batch.position && !batch.archive) all.hashes.push_back(bytes_of(content_digest(item.line)));
        if (!batch.timestamp || !batch.window_ms) continue;
        const Series one = series_of(batch, device, catalog_.remembered_place(batch));
        if (series.insert(one).second) all.windows.emplace_back(one, to_milliseconds(*batch.timestamp));
    }
    all.runs.assign(runs.begin(), runs.end());
    return all;
}

Expected BatchStore::devices_of(std::span<const StoreItem> items) {
    std::set<std::int64_t> devices;
    for (const auto &item : items) devices.insert(catalog_.device(item.device_id(), item.is_archived()));
    Expected all;
    all.devices.assign(devices.begin(), devices.end());
    all.received_at = received_at_ms_;
    all.lived_s = lived_s_;
    return all;
}

StoreResult BatchStore::store_apart(const std::vector<StoreItem> &items) {
    Refused refused;
    StoreResult result;
    while (!try_apart(items, refused, result)) result = {};
    return result;
}

// False: a refused line took the whole transaction away with it; the others are to be stored without it.
bool BatchStore::try_apart(const std::vector<StoreItem> &items, Refused &refused, StoreResult &result) {
    Work work(*tables_);
    begin();
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto holes = result.holes.size(), twins = result.twins.size(),
                   conflicts = result.conflicts.size();
        if (!refused.contains(i)) {
            try {
                Part part(*tables_);
                if (tables_->foresees()) tables_->expect(devices_of({&items[i], 1}));
                add(items[i], result);
                flush();
                part.release();
                continue;
            } catch (const DatabaseError &error) {
                forget();
                if (error.kind() != DatabaseError::Kind::constraint) throw;
                refused[i] = {error.what()};
                if (!tables_->in_transaction()) return false;
            }
        }
        result.holes.resize(holes);
        result.twins.resize(twins);
        result.conflicts.resize(conflicts);
        result.outcomes.resize(i);
        auto &line = refused.at(i);
        result.outcomes.push_back({Outcome::refused, line.reason});
        if (items[i].batch == nullptr || !line.label) continue;
        line.label = label_refused(*items[i].batch, result);
        if (!tables_->in_transaction()) return false;
    }
    work.commit();
    return true;
}

// False: the hole that a refused batch leaves could not be labelled.
bool BatchStore::label_refused(const Batch &batch, StoreResult &result) {
    if (!batch.position) return true;
    const auto holes = result.holes.size();
    try {
        Part part(*tables_);
        add_gap(gap_for(batch, "rejected"), result);
        flush();
        part.release();
        return true;
    } catch (const DatabaseError &error) {
        forget();
        if (error.kind() != DatabaseError::Kind::constraint) throw;
        result.holes.resize(holes);
        return false;
    }
}

// False: names that were remembered are forgotten.
bool BatchStore::begin() {
    const auto epoch = tables_->epoch();
    const bool same = epoch == known_epoch_;
    if (!same) {
        forget();
        known_epoch_ = epoch;
    }
    lived_s_ = age_.look(present_);
    catalog_.begin(received_at_ms_, lived_s_);
    runs_.begin(received_at_ms_, lived_s_);
    roll_up_.forget();
    coverage_.forget();
    twins_.begin(received_at_ms_);
    return same;
}

void BatchStore::flush() {
    runs_.flush();
    coverage_.flush();
    catalog_.flush();
    roll_up_.flush();
    tables_->send();
    plain_.clear();
}

void BatchStore::forget() {
    runs_.forget();
    coverage_.forget();
    twins_.forget();
    catalog_.forget();
    roll_up_.forget();
    plain_.clear();
}

void BatchStore::add(const StoreItem &item, StoreResult &result) {
    if (item.device != nullptr) {
        catalog_.merge(*item.device);
        result.outcomes.push_back({Outcome::stored, {}});
    } else if (item.run != nullptr) {
        result.outcomes.push_back(add_run(*item.run));
    } else if (item.gap != nullptr) {
        result.outcomes.push_back(add_gap(*item.gap, result));
    } else {
        result.outcomes.push_back(item.batch->archive ? add_archived(*item.batch, result)
                                                      : add_batch(*item.batch, item.line, result));
    }
}

StoreOutcome BatchStore::add_gap(const Gap &gap, StoreResult &result) {
    auto &run = runs_.find(catalog_.device(gap.device_id), gap.run_id, {});
    const auto change = runs_.label(run, static_cast<std::int64_t>(gap.from_seq),
                                    static_cast<std::int64_t>(gap.to_seq), gap.reason, lost_span(gap.lost));
    if (!change.refused.empty()) return {Outcome::refused, change.refused};
    tell(change.holes, gap.device_id, gap.run_id, result);
    return {change.made ? Outcome::stored : Outcome::duplicate, {}};
}

StoreOutcome BatchStore::add_batch(const Batch &batch, std::string_view line, StoreResult &result) {
    if (!batch.position) return add_unnamed(batch, line);
    const auto device = catalog_.device(batch.device_id);
    auto &run = runs_.find(device, batch.position->run_id, batch.hash_id);
    const auto seq = static_cast<std::int64_t>(batch.position->seq);
    const bool ahead = seq >= run.next_seq;
    const Sha256 hash = content_digest(line);
    const std::string_view digest(reinterpret_cast<const char *>(hash.data()), digest_bytes);
    const auto change = runs_.take(run, seq, lost_span(window_of(batch)));
    if (!change.refused.empty()) return {Outcome::refused, change.refused};
    if (!change.made) {
        // For this content, as far as can be told: a digest is kept as long as the batch.
        const auto held = tables_->batches().find(run.id, seq);
        return held ? compared(batch, device, *held, digest, result) : StoreOutcome{Outcome::duplicate, {}};
    }
    tell(change.holes, batch.device_id, batch.position->run_id, result);
    insert_batch(batch, device, &run, digest);
    if (ahead && batch.timestamp) watch(batch, device, run, result);
    return {Outcome::stored, {}};
}

StoreOutcome BatchStore::add_unnamed(const Batch &batch, std::string_view line) {
    const auto device = catalog_.device(batch.device_id);
    const std::string name = bytes_of(content_digest(line));
    if (!tables_->batches().insert_hash(name, received_at_ms_, lived_s_)) return {Outcome::duplicate, {}};
    insert_batch(batch, device, nullptr, name);
    return {Outcome::stored, {}};
}

// Something is stored under its name.
StoreOutcome BatchStore::compared(const Batch &batch, std::int64_t device, const BatchRows::Held &held,
                                  std::optional<std::string_view> digest, StoreResult &result) {
    if (!digest || held.digest.empty() || held.digest == *digest) return {Outcome::duplicate, {}};
    // An import may be repeated, and would count it each time: the warning and the rejected line tell of it.
    if (!batch.archive) catalog_.conflicted(device);
    std::string reason = "another content is stored under this device_id, run_id and seq";
    if (!held.sender.empty()) reason += ", sent by " + held.sender;
    result.conflicts.push_back({batch.device_id, *batch.position, held.sender, batch.sender.value_or("")});
    return {Outcome::conflict, std::move(reason)};
}

void BatchStore::watch(const Batch &batch, std::int64_t device, const RunLedger::Run &run,
                       StoreResult &result) {
    if (const auto other = twins_.advance(device, run.id, to_milliseconds(*batch.timestamp)))
        result.twins.push_back(
            {batch.device_id, {*other, batch.position->run_id}, from_milliseconds(received_at_ms_)});
}

// The time that counts for "first seen" and "last seen". A clock that is known to be wrong, was never set, or runs ahead of ours,
// must not make anything seen in the far past or future for ever.
std::int64_t BatchStore::taken_at(const Batch &batch, Time time, std::int64_t received_at_ms) {
    if (batch.clock_synced == std::optional<bool>(false)) return received_at_ms;
    const auto taken_ms = to_milliseconds(time);
    return taken_ms < first_plausible_ms ? received_at_ms : std::min(taken_ms, received_at_ms);
}

BatchStore::Receipt BatchStore::receipt_of(const Batch &batch) const {
    if (!batch.archive) return {received_at_ms_, lived_s_};
    return {to_milliseconds(batch.archive->received_at), lived_s_ - batch.archive->age_s};
}

void BatchStore::insert_batch(const Batch &batch, std::int64_t device, const RunLedger::Run *run,
                              std::optional<std::string_view> digest) {
    const auto [received_at_ms, lived_s] = receipt_of(batch);
    BatchRow row;
    row.device = device;
    if (batch.sender) row.sender = catalog_.sender(*batch.sender);
    if (run != nullptr) {
        row.run = run->id;
        row.seq = static_cast<std::int64_t>(batch.position->seq);
    }
    if (batch.timestamp) row.timestamp = to_milliseconds(*batch.timestamp);
    if (batch.name || batch.location)
        row.place = catalog_.place(batch.name.value_or(""), batch.location.value_or(""));
    for (const auto &detection : batch.detections) {
        const auto time = to_milliseconds(detection.timestamp);
        row.oldest = std::min(row.oldest.value_or(time), time);
        row.newest = std::max(row.newest.value_or(time), time);
    }
    if (batch.occupancy) {
        row.near = batch.occupancy->near;
        row.medium = batch.occupancy->medium;
        row.far = batch.occupancy->far;
    }
    row.received_at = received_at_ms;
    row.clock = batch.clock_synced;
    row.window_ms = batch.window_ms;
    row.interval_ms = batch.interval_ms;
    row.lived_s = lived_s;
    row.digest = digest;
    const auto id = tables_->batches().insert(row);
    const auto taken_at_ms =
        batch.timestamp ? taken_at(batch, *batch.timestamp, received_at_ms) : received_at_ms;
    if (batch.archive)
        catalog_.archived_stored(batch, id, taken_at_ms, received_at_ms, row.sender);
    else
        catalog_.batch_stored(batch, id, taken_at_ms, row.sender);
    if (row.timestamp && batch.window_ms)
        add_window({series_of(batch, device, row.place), *row.timestamp, *batch.window_ms,
                    batch.interval_ms.value_or(0)},
                   batch.archive.has_value());
    const auto heard = insert_detections(batch, id, received_at_ms);
    if (!batch.archive || !roll_up_.was_merged(device, row.place.value_or(0), heard))
        roll_up_.stored(id, batch.detections.size());
}

// An archive may bring back what retention deleted, and whose time is known still.
void BatchStore::add_window(const Window &window, bool archived) {
    if (archived && !roll_up_.is_whole(window.end / day_ms) && coverage_.holds(window)) return;
    coverage_.add(window);
}

// Returns what an archived one heard.
std::vector<Heard> BatchStore::insert_detections(const Batch &batch, std::int64_t id,
                                                 std::int64_t received_at_ms) {
    BatchRows &rows = tables_->batches();
    std::vector<Heard> heard;
    std::int64_t n = 0;
    for (const auto &detection : batch.detections) {
        const auto advertiser =
            catalog_.heard(detection.device_hash, taken_at(batch, detection.timestamp, received_at_ms));
        if (batch.archive) heard.push_back({to_milliseconds(detection.timestamp) / rollup_ms, advertiser});
        std::string_view details = detection.details;
        if (auto changed = without_nul(details)) details = plain_.emplace_back(std::move(*changed));
        rows.insert({to_milliseconds(detection.timestamp), id, n++, advertiser, detection.rssi_dbm,
                     static_cast<std::int64_t>(detection.zone), detection.count, details});
    }
    return heard;
}

Expired BatchStore::retain(const Keep &keep, const Clocks &present) {
    return told_apart([&] {
        if (tables_->check()) forget();
        return retention_.step(keep, present);
    });
}

void BatchStore::trust_times(const Clocks &present) {
    told_apart([&] {
        if (tables_->check()) forget();
        Work work(*tables_);
        age_.believe(present);
        work.commit();
    });
}

RolledUp BatchStore::roll_up(std::chrono::minutes occupancy) {
    return told_apart([&] {
        if (tables_->check()) forget();
        return roll_up_.step(occupancy);
    });
}

RebuiltRollups BatchStore::rebuild_rollups(std::int64_t from_day) {
    return told_apart([&] {
        if (tables_->check()) forget();
        return roll_up_.rebuild(from_day);
    });
}

}  // namespace ble
