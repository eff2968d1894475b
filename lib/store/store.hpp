// The store: where batches are kept for good, each exactly once. One implementation per database; the table in
// store.cpp names them, and tests/unit/store holds the suite that each must pass.
//
// A batch is new if and only if its seq is at least its run's next_seq, or lies inside one of the run's gaps; a batch
// without run_id and seq is new when the SHA-256 of its line is. The outcome depends neither on the order in which
// batches and gap lines arrive nor on how often. Several processes may use one store at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/timestamp.hpp"
#include "batch/batch.hpp"

namespace ble {

// The store cannot take anything for now: database locked, disk full. Nothing was changed; try again later.
class StoreTrouble : public Error {
  public:
    using Error::Error;
};

// One line to be stored: exactly one of `batch` and `gap` is set. All is borrowed for the call.
struct StoreItem {
    std::string_view line;  // as it came, without its LF
    const Batch *batch = nullptr;
    const Gap *gap = nullptr;
};

struct StoreOutcome {
    enum class Kind {
        stored,     // new; a gap line: it changed what is known
        duplicate,  // known already
        refused,  // the store's rules forbid this line: `reason`. The other lines are stored nevertheless, and the
                  // hole that a batch leaves is labelled "rejected"
    };
    Kind kind = Kind::duplicate;
    std::string reason;
};

struct StoreResult {
    std::vector<StoreOutcome> outcomes;  // one for each item, in order
    std::vector<Gap> holes;  // found or labelled, in the order in which that happened: `most_holes`
    std::size_t untold = 0;  // … and how many more

    static constexpr std::size_t most_holes = 10'000;  // one line can label any number of them anew
};

class Store {
  public:
    virtual ~Store() = default;

    // Stores all items in one transaction, durably. Throws StoreTrouble or Error, and then nothing was changed.
    virtual StoreResult store(const std::vector<StoreItem> &items, Time received_at) = 0;

    // One small step of retention: deletes some of what was received before `before`; what is needed to recognise
    // batches and to show losses stays. True: there may be more to delete. Throws as store() does.
    virtual bool retain(Time before, Time now) = 0;
};

// Opens or creates the store that `name` means: a file's path or ":memory:" for SQLite. Throws StoreTrouble when that
// may succeed later, else Error: config for a name or a database that is not ours or is newer than this program,
// permission, io.
std::unique_ptr<Store> make_store(const std::string &name);

// What can be told without opening anything: why `name` means no store that we have; empty: it does.
std::string why_no_store(const std::string &name);

}  // namespace ble
