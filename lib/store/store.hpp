// The store: where batches are kept, each exactly once. One implementation per database; the table in
// store.cpp names them, and tests/unit/store holds the suite that each must pass.
//
// A batch is new if and only if its seq is at least its run's next_seq, or lies inside one of the run's gaps; a batch
// without run_id and seq is new when the SHA-256 of its line is. A digest of each batch is kept for as long as the batch: a second
// content under its name is a conflict. The outcome depends neither on the order in which
// batches and gap lines arrive nor on how often. Several processes may use one store at once.
//
// Lines of another store (batch/archive.hpp) are stored as that one had them, with their times and digests. An archived batch is new if it
// is not there, whatever is known of its run: what an archive says of a run may come before its batches.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clocks.hpp"
#include "base/error.hpp"
#include "batch/batch.hpp"

namespace ble {

// The store cannot take anything for now: database locked, disk full. Nothing was changed; try again later.
class StoreTrouble : public Error {
  public:
    using Error::Error;
};

// One line to be stored: exactly one of the pointers is set. All is borrowed for the call.
struct StoreItem {
    std::string_view line;  // as it came, without its LF
    const Batch *batch = nullptr;
    const Gap *gap = nullptr;
    const ArchivedDevice *device = nullptr;
    const ArchivedRun *run = nullptr;

    const std::string &device_id() const {
        return batch != nullptr    ? batch->device_id
               : gap != nullptr    ? gap->device_id
               : device != nullptr ? device->device_id
                                   : run->device_id;
    }
    // From another database: it says nothing about the present.
    bool is_archived() const {
        return device != nullptr || run != nullptr || (batch != nullptr && batch->archive);
    }
};

struct StoreOutcome {
    enum class Kind {
        stored,     // new; a gap line: it changed what is known
        duplicate,  // known already
        conflict,   // its name is known, for another content: `reason`. Nothing of it is stored
        refused,  // the store's rules or bounds forbid this line: `reason`. The other lines are stored nevertheless, and the
        // hole that a batch leaves is labelled "rejected", if that is possible
    };
    Kind kind = Kind::duplicate;
    std::string reason;
};

// A batch came whose name is known for another content. Senders: as their receivers knew them; empty: not told.
struct Conflict {
    std::string device_id;
    RunPosition position;
    std::string stored_sender, sender;  // who sent what is stored, and who sent this one
};

struct StoreResult {
    std::vector<StoreOutcome> outcomes;  // one for each item, in order
    std::vector<Gap> holes;    // found or labelled, in the order in which that happened: `most_holes`
    std::size_t untold = 0;    // … and how many more
    std::vector<Twins> twins;  // two runs of a device that were noticed to go on at once: each run once
    std::vector<Conflict> conflicts;
    std::size_t collisions =
        0;  // with other writers, which the database undid it for: it was stored all the same

    static constexpr std::size_t most_holes = 10'000;  // one line can label any number of them anew
};

// The wall clock was set by more than a minute while the machine ran.
struct ClockStep {
    Time from, to;
    std::chrono::seconds passed;  // really, between the two
};

// Batches that are older than they may be by the wall clock alone.
struct HeldBack {
    Time received;              // when the first one was received, as the clock had it
    std::chrono::seconds here;  // how long it has been here, as far as the machine was running
};

// What one step of retention did.
struct Expired {
    bool more = false;                 // there may be more to delete, and it may be deleted now
    std::uint64_t batches = 0;         // that were deleted
    Time first{}, last{};              // their times of receipt
    std::vector<std::string> devices;  // that were forgotten, since nothing of them was left
    std::optional<HeldBack> held_back;
    std::optional<ClockStep> step;  // seen since the last call
};

// How long rows are kept: batches with their detections, and the rollups that were made of them; none: for ever. A rollup is kept at least as
// long as its batches.
struct Keep {
    template <class Rep, class Period>
    Keep(std::chrono::duration<Rep, Period> all) : batches(all), rollups(all) {}
    Keep(std::chrono::seconds of_batches, std::optional<std::chrono::seconds> of_rollups)
        : batches(of_batches), rollups(of_rollups) {}

    std::chrono::seconds batches;
    std::optional<std::chrono::seconds> rollups;
};

// How many detections a step of the rollup merges at most, about: some tenths of a second, for which the input waits. A row of five minutes is
// written once for each step in which its advertiser was heard, so smaller steps cost a backlog more: with 20 000, 1.5 times all
// instructions of bleingest.
inline constexpr std::int64_t merged_a_step = 300'000;

// What one step of the rollup did.
struct RolledUp {
    std::uint64_t batches = 0;  // that were merged, about
    bool more = false;          // there may be more to do, and it may be done now
    bool busy = false;          // another process is at it
    std::uint64_t left = 0;     // of the batches of an earlier version, about, that are yet to be merged
};

struct RebuiltRollups {
    std::optional<std::int64_t> day;  // since 1970; none: there is no further one
    bool kept = false;                // it stays as it is, since some of its details are gone
};

class Store {
  public:
    virtual ~Store() = default;

    // Stores all items, received at that moment, in one transaction, durably. Throws StoreTrouble or Error, and then
    // nothing was changed.
    virtual StoreResult store(const std::vector<StoreItem> &items, const Clocks &present) = 0;

    // One small step of retention: deletes some of what is older than `keep`. Batches are rolled up before. The rollups of a day go when all batches that
    // went into it are older than that. What is needed to recognise batches and to show
    // losses stays until a run and its device were not heard of for `keep` and 30 days; names that no batch refers to go as well. Nothing is deleted on the word of one clock: a batch is old when the machine has run for so long since
    // it was stored, and the wall clock says so too, or puts its receipt into the future. Time in which the machine was off
    // counts when the clock was synchronised and had not been set for a day of running, before and after. An hour deletes
    // at most a 24th of the batches, or twice an hour's share of `keep`, or 100. Throws as store() does.
    virtual Expired retain(const Keep &keep, const Clocks &present) = 0;

    // One small step of the rollup (rollup.hpp): merges some of the batches that are stored and not merged; when there is none, counts
    // some places' advertisers anew, in five minutes, an hour and a day as far as these are not longer than `occupancy`. Throws as
    // store() does.
    virtual RolledUp roll_up(std::chrono::minutes occupancy) = 0;

    // Makes the rollups of one day anew of its details: the first day from that on. A day of which retention has deleted some is
    // left as it is. In many transactions; others go on meanwhile. Throws as store() does; it may be done again.
    virtual RebuiltRollups rebuild_rollups(std::int64_t from_day) = 0;

    // An operator's word that the wall clock and all times of receipt are right: batches are as old as these say. It goes
    // through all batches. Throws as store() does.
    virtual void trust_times(const Clocks &present) = 0;
};

// Opens or creates the store that `name` means: a file's path or ":memory:" for SQLite, postgresql://… for PostgreSQL, which asks
// `go_on` ten times a second while it waits: after false it brings what has begun to its end, or ends with StoreTrouble when that takes
// more than five seconds. Throws StoreTrouble when that
// may succeed later, else Error: config for a name or a database that is not ours or is newer than this program,
// permission, io.
std::unique_ptr<Store> make_store(const std::string &name, const std::function<bool()> &go_on = {});

// Without opening anything: why `name` cannot be a store; empty: it can.
std::string why_no_store(const std::string &name);

// For --check, of a name that why_no_store() takes: Error(config) when what is at this path is no database of ours, or of a newer version. Makes and
// locks nothing; of a server, a file that is not there, and one that cannot be read, there is nothing to object to.
void check_store(const std::string &name);

}  // namespace ble
