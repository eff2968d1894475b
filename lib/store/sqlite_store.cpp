#include "store/sqlite_store.hpp"

#include <algorithm>
#include <limits>

#include "base/digest.hpp"
#include "batch/sender.hpp"
#include "store/milliseconds.hpp"
#include "store/scattered.hpp"
#include "store/schema.hpp"

namespace ble {
namespace {

using Outcome = StoreOutcome::Kind;

constexpr std::size_t digest_bytes = 16;

// A device's clock before this is one that was never set.
constexpr std::int64_t first_plausible_ms = 946'684'800'000;  // the year 2000

// What passes by itself is told apart from what does not.
template <class Body>
auto told_apart(Body body) {
    try {
        return body();
    } catch (const SqliteError &error) {
        if (error.kind() == SqliteError::Kind::trouble) throw StoreTrouble(error.code(), error.what());
        throw;
    }
}

bool open(Database &database) {
    told_apart([&] { open_schema(database); });
    return true;
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

SqliteStore::SqliteStore(const std::string &path)
    : database_(path),
      ready_(open(database_)),
      catalog_(database_),
      runs_(database_),
      age_(database_),
      coverage_(database_),
      twins_(database_),
      retention_(database_, age_),
      epoch_(database_, "SELECT epoch FROM state"),
      insert_batch_(
          database_,
          "INSERT INTO batches (device, run, seq, timestamp, received_at, clock, place, window_ms, "
          "interval_ms,"
          " oldest, newest, near, medium, far, lived_s, sender, digest) VALUES (?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      insert_details_(database_, "INSERT INTO details (batch, n, details) VALUES (?, ?, ?)"),
      insert_scattered_(database_, "INSERT INTO scattered (batch, n, timestamp) VALUES (?, ?, ?)"),
      insert_hash_(
          database_,
          "INSERT INTO batch_hashes (hash, received_at, lived_s) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
      other_(database_,
             "SELECT senders.sender FROM batches LEFT JOIN senders ON senders.id = batches.sender"
             " WHERE run = ? AND seq = ? AND digest <> ?"),
      insert_detections_(database_, "detections (timestamp, batch, n, advertiser, rssi, zone, count)", 7) {}

StoreResult SqliteStore::store(const std::vector<StoreItem> &items, const Clocks &present) {
    present_ = present;
    received_at_ms_ = to_milliseconds(present.wall);
    if (database_.moved())
        throw Error(ExitCode::io,
                    "the database " + database_.path() + " was renamed or deleted while in use");
    return told_apart([&] {
        try {
            return store_together(items);
        } catch (const SqliteError &error) {
            forget();
            if (error.kind() != SqliteError::Kind::constraint) throw;
        }
        // Rare, so it may be slow: once more, each line by itself, to find those that cannot be stored.
        try {
            return store_apart(items);
        } catch (const SqliteError &) {
            forget();
            throw;
        }
    });
}

StoreResult SqliteStore::store_together(const std::vector<StoreItem> &items) {
    Transaction transaction(database_);
    begin();
    StoreResult result;
    result.outcomes.reserve(items.size());
    for (const auto &item : items) add(item, result);
    flush();
    transaction.commit();
    return result;
}

StoreResult SqliteStore::store_apart(const std::vector<StoreItem> &items) {
    Refused refused;
    StoreResult result;
    while (!try_apart(items, refused, result)) result = {};
    return result;
}

// False: a refused line took the whole transaction away with it; the others are to be stored without it.
bool SqliteStore::try_apart(const std::vector<StoreItem> &items, Refused &refused, StoreResult &result) {
    Transaction transaction(database_);
    begin();
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto holes = result.holes.size(), twins = result.twins.size(),
                   conflicts = result.conflicts.size();
        if (!refused.contains(i)) {
            try {
                Savepoint savepoint(database_);
                add(items[i], result);
                flush();
                savepoint.release();
                continue;
            } catch (const SqliteError &error) {
                forget();
                if (error.kind() != SqliteError::Kind::constraint) throw;
                refused[i] = {error.what()};
                if (!database_.in_transaction()) return false;
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
        if (!database_.in_transaction()) return false;
    }
    transaction.commit();
    return true;
}

// False: the hole that a refused batch leaves could not be labelled.
bool SqliteStore::label_refused(const Batch &batch, StoreResult &result) {
    if (!batch.position) return true;
    const auto holes = result.holes.size();
    try {
        Savepoint savepoint(database_);
        add_gap(gap_for(batch, "rejected"), result);
        flush();
        savepoint.release();
        return true;
    } catch (const SqliteError &error) {
        forget();
        if (error.kind() != SqliteError::Kind::constraint) throw;
        result.holes.resize(holes);
        return false;
    }
}

void SqliteStore::begin() {
    const auto epoch = *epoch_.find();
    if (epoch != known_epoch_) {
        // Another process deleted rows whose ids we may remember, or changed the schema.
        check_version(database_);
        forget();
        known_epoch_ = epoch;
    }
    lived_s_ = age_.look(present_);
    catalog_.begin(received_at_ms_, lived_s_);
    runs_.begin(received_at_ms_, lived_s_);
    coverage_.forget();
    twins_.begin(received_at_ms_);
}

void SqliteStore::flush() {
    insert_detections_.flush();
    runs_.flush();
    coverage_.flush();
    catalog_.flush();
}

void SqliteStore::forget() {
    runs_.forget();
    coverage_.forget();
    twins_.forget();
    catalog_.forget();
    insert_detections_.forget();
}

void SqliteStore::add(const StoreItem &item, StoreResult &result) {
    result.outcomes.push_back(item.gap != nullptr ? add_gap(*item.gap, result)
                                                  : add_batch(*item.batch, item.line, result));
}

StoreOutcome SqliteStore::add_gap(const Gap &gap, StoreResult &result) {
    auto &run = runs_.find(catalog_.device(gap.device_id), gap.run_id, {});
    const auto change = runs_.label(run, static_cast<std::int64_t>(gap.from_seq),
                                    static_cast<std::int64_t>(gap.to_seq), gap.reason, lost_span(gap.lost));
    if (!change.refused.empty()) return {Outcome::refused, change.refused};
    tell(change.holes, gap.device_id, gap.run_id, result);
    return {change.made ? Outcome::stored : Outcome::duplicate, {}};
}

StoreOutcome SqliteStore::add_batch(const Batch &batch, std::string_view line, StoreResult &result) {
    if (!batch.position) return add_unnamed(batch, line);
    const auto device = catalog_.device(batch.device_id);
    auto &run = runs_.find(device, batch.position->run_id, batch.hash_id);
    const auto seq = static_cast<std::int64_t>(batch.position->seq);
    const bool ahead = seq >= run.next_seq;
    const Sha256 hash = content_digest(line);
    const std::string_view digest(reinterpret_cast<const char *>(hash.data()), digest_bytes);
    const auto change = runs_.take(run, seq, lost_span(window_of(batch)));
    if (!change.refused.empty()) return {Outcome::refused, change.refused};
    if (!change.made) return known(batch, run, digest, result);
    tell(change.holes, batch.device_id, batch.position->run_id, result);
    insert_batch(batch, device, &run, Blob{digest});
    if (ahead && batch.timestamp) watch(batch, device, run, result);
    return {Outcome::stored, {}};
}

StoreOutcome SqliteStore::add_unnamed(const Batch &batch, std::string_view line) {
    const auto device = catalog_.device(batch.device_id);
    const Sha256 hash = content_digest(line);
    insert_hash_.run(Blob{{reinterpret_cast<const char *>(hash.data()), hash.size()}}, received_at_ms_,
                     lived_s_);
    if (database_.changes() == 0) return {Outcome::duplicate, {}};
    insert_batch(batch, device, nullptr, {});
    return {Outcome::stored, {}};
}

// Its name is known. For this content, as far as can be told: a digest is kept as long as the batch.
StoreOutcome SqliteStore::known(const Batch &batch, const RunLedger::Run &run, std::string_view digest,
                                StoreResult &result) {
    other_.bind(1, run.id).bind(2, static_cast<std::int64_t>(batch.position->seq)).bind(3, Blob{digest});
    if (!other_.step()) return {Outcome::duplicate, {}};
    Conflict conflict{batch.device_id, *batch.position, std::string(other_.text(0)),
                      batch.sender.value_or("")};
    other_.reset();
    catalog_.conflicted(run.device);
    std::string reason = "another content is stored under this device_id, run_id and seq";
    if (!conflict.stored_sender.empty()) reason += ", sent by " + conflict.stored_sender;
    result.conflicts.push_back(std::move(conflict));
    return {Outcome::conflict, std::move(reason)};
}

void SqliteStore::watch(const Batch &batch, std::int64_t device, const RunLedger::Run &run,
                        StoreResult &result) {
    if (const auto other = twins_.advance(device, run.id, to_milliseconds(*batch.timestamp)))
        result.twins.push_back(
            {batch.device_id, {*other, batch.position->run_id}, from_milliseconds(received_at_ms_)});
}

// The time that counts for "first seen" and "last seen". A clock that is known to be wrong, was never set, or runs ahead of ours,
// must not make anything seen in the far past or future for ever.
std::int64_t SqliteStore::taken_at(const Batch &batch, Time time) const {
    if (batch.clock_synced == std::optional<bool>(false)) return received_at_ms_;
    const auto taken_ms = to_milliseconds(time);
    return taken_ms < first_plausible_ms ? received_at_ms_ : std::min(taken_ms, received_at_ms_);
}

void SqliteStore::insert_batch(const Batch &batch, std::int64_t device, const RunLedger::Run *run,
                               std::optional<Blob> digest) {
    std::optional<std::int64_t> run_id, seq, timestamp, place, oldest, newest, near, medium, far, sender;
    if (batch.sender) sender = catalog_.sender(*batch.sender);
    if (run != nullptr) {
        run_id = run->id;
        seq = static_cast<std::int64_t>(batch.position->seq);
    }
    if (batch.timestamp) timestamp = to_milliseconds(*batch.timestamp);
    if (batch.name || batch.location)
        place = catalog_.place(batch.name.value_or(""), batch.location.value_or(""));
    for (const auto &detection : batch.detections) {
        const auto time = to_milliseconds(detection.timestamp);
        oldest = std::min(oldest.value_or(time), time);
        newest = std::max(newest.value_or(time), time);
    }
    if (batch.occupancy) {
        near = batch.occupancy->near;
        medium = batch.occupancy->medium;
        far = batch.occupancy->far;
    }
    insert_batch_.run(device, run_id, seq, timestamp, received_at_ms_, batch.clock_synced, place,
                      batch.window_ms, batch.interval_ms, oldest, newest, near, medium, far, lived_s_, sender,
                      digest);
    if (database_.changes() == 0) Statement::kept_out();  // the id would be another batch's
    const auto id = database_.last_insert_id();
    catalog_.batch_stored(batch, id, batch.timestamp ? taken_at(batch, *batch.timestamp) : received_at_ms_,
                          sender);
    if (timestamp && batch.window_ms)
        coverage_.add({device, place.value_or(0), batch.clock_synced ? *batch.clock_synced : -1, *timestamp,
                       *batch.window_ms, batch.interval_ms.value_or(0)});
    insert_detections(batch, id);
    if (!oldest || !are_scattered(*oldest, *newest)) return;
    for (std::size_t n = 0; n < batch.detections.size(); ++n)
        insert_scattered_.run(id, static_cast<std::int64_t>(n),
                              to_milliseconds(batch.detections[n].timestamp));
}

void SqliteStore::insert_detections(const Batch &batch, std::int64_t id) {
    std::int64_t n = 0;
    for (const auto &detection : batch.detections) {
        const auto advertiser = catalog_.heard(detection.device_hash, taken_at(batch, detection.timestamp));
        insert_detections_.add(to_milliseconds(detection.timestamp), id, n, advertiser, detection.rssi_dbm,
                               static_cast<std::int64_t>(detection.zone), detection.count);
        if (!detection.details.empty()) insert_details_.run(id, n, detection.details);
        ++n;
    }
}

Expired SqliteStore::retain(std::chrono::seconds keep, const Clocks &present) {
    return told_apart([&] { return retention_.step(keep, present); });
}

void SqliteStore::trust_times(const Clocks &present) {
    told_apart([&] {
        Transaction transaction(database_);
        age_.believe(present);
        transaction.commit();
    });
}

}  // namespace ble
