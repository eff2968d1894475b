// What the store asks of a database, whichever it is: rows by their keys, in transactions. The rule of what is new, of runs, holes,
// stretches, turns and ages is above this, and the same for all; what is below is SQL.
//
// One thread. Throws DatabaseError: of kind `constraint` when a rule of the database forbids a row; then the transaction, or what
// was done since the savepoint, is to be undone. What is written may be gathered until send(), a read or commit().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/rows/age_rows.hpp"
#include "store/rows/batch_rows.hpp"
#include "store/rows/name_rows.hpp"
#include "store/rows/old_rows.hpp"
#include "store/rows/rollup_rows.hpp"
#include "store/rows/run_rows.hpp"
#include "store/rows/stretch_rows.hpp"
#include "store/rows/turn_rows.hpp"

namespace ble {

// What will be asked in a transaction. The devices are locked for it, and with each its runs, holes, turns and stretches.
struct Expected {
    std::vector<std::int64_t> devices;  // in order, each once
    // May be asked for, and may be answered at once:
    std::vector<std::pair<std::int64_t, std::string_view>> runs;  // device, run_id
    std::vector<std::pair<Series, std::int64_t>>
        windows;                      // each series once, and the time that is asked first
    std::vector<std::string> hashes;  // to be inserted in the order of the lines
    std::vector<ExpectedName> names;  // of batches that may be there
    std::int64_t received_at = 0, lived_s = 0;
};

class Tables {
  public:
    virtual ~Tables() = default;

    // Before a transaction. True: it may be another database than before, and nothing that is remembered of it counts. Error(io) when
    // what is written would be lost, since the database was moved away.
    virtual bool check() = 0;

    // alone: nobody else writes until its end.
    virtual void begin(bool alone) = 0;
    virtual void commit() = 0;
    virtual void rollback() noexcept = 0;  // without a transaction: nothing
    virtual bool in_transaction() const = 0;

    // Part of a transaction that can be undone by itself. Some refusals take the whole transaction away: see in_transaction().
    virtual void savepoint() = 0;
    virtual void release() = 0;
    virtual void undo() noexcept = 0;

    // Grows whenever rows go whose ids a process may remember. Error(config) when the schema is newer than this program.
    virtual std::int64_t epoch() = 0;
    virtual void send() = 0;

    // Is the database so far away that many questions should be asked at once? If not, expect() and NameRows::learn() are not called.
    virtual bool foresees() const = 0;
    // First in a transaction: all that follows is about these.
    virtual void expect(const Expected &all) = 0;

    virtual NameRows &names() = 0;
    virtual RunRows &runs() = 0;
    virtual StretchRows &stretches() = 0;
    virtual TurnRows &turns() = 0;
    virtual AgeRows &age() = 0;
    virtual BatchRows &batches() = 0;
    virtual OldRows &old() = 0;
    virtual RollupRows &rollups() = 0;
};

// Undone unless committed.
class Work {
  public:
    explicit Work(Tables &tables, bool alone = false) : tables_(tables) { tables_.begin(alone); }
    ~Work() { tables_.rollback(); }
    Work(const Work &) = delete;
    Work &operator=(const Work &) = delete;
    void commit() { tables_.commit(); }

  private:
    Tables &tables_;
};

// Undone unless released.
class Part {
  public:
    explicit Part(Tables &tables) : tables_(tables) { tables_.savepoint(); }
    ~Part() {
        if (open_) tables_.undo();
    }
    Part(const Part &) = delete;
    Part &operator=(const Part &) = delete;
    void release() {
        tables_.release();
        open_ = false;
    }

  private:
    Tables &tables_;
    bool open_ = true;
};

}  // namespace ble
