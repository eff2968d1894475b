#include "store/sqlite/tables.hpp"

#include <optional>

#include "sqlite/database.hpp"
#include "store/sqlite/age.hpp"
#include "store/sqlite/batches.hpp"
#include "store/sqlite/names.hpp"
#include "store/sqlite/old.hpp"
#include "store/sqlite/recent.hpp"
#include "store/sqlite/rollups.hpp"
#include "store/sqlite/runs.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/stretches.hpp"
#include "store/sqlite/turns.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

Database &with_schema(Database &database) {
    told_apart([&] { open_schema(database); });
    return database;
}

class SqliteTables : public Tables {
  public:
    explicit SqliteTables(const std::string &path)
        : database_(path),
          epoch_(with_schema(database_), "SELECT epoch FROM state"),
          names_(database_),
          runs_(database_),
          stretches_(database_),
          turns_(database_),
          age_(database_),
          batches_(database_, recent_),
          old_(database_),
          rollups_(database_, recent_) {}

    bool check() override {
        if (!database_.moved()) return false;
        throw Error(ExitCode::io,
                    "the database " + database_.path() + " was renamed or deleted while in use");
    }

    void begin(bool) override {  // who writes is alone
        transaction_.emplace(database_);
        names_.begin();
        batches_.forget();
    }
    void commit() override {
        transaction_->commit();
        recent_.commit();
    }
    void rollback() noexcept override {
        transaction_.reset();
        recent_.undo();
    }
    bool in_transaction() const override { return database_.in_transaction(); }
    void savepoint() override { savepoint_.emplace(database_); }
    void release() override {
        savepoint_->release();
        savepoint_.reset();
    }
    void undo() noexcept override {
        savepoint_.reset();
        recent_.undo();
        names_.begin();
        batches_.forget();
    }

    std::int64_t epoch() override {
        const auto epoch = *epoch_.find();
        // Another process may have changed the schema.
        if (epoch != known_epoch_) check_version(database_);
        known_epoch_ = epoch;
        return epoch;
    }
    void send() override { batches_.flush(); }
    bool foresees() const override { return false; }
    void expect(const Expected &) override {}

    NameRows &names() override { return names_; }
    RunRows &runs() override { return runs_; }
    StretchRows &stretches() override { return stretches_; }
    TurnRows &turns() override { return turns_; }
    AgeRows &age() override { return age_; }
    BatchRows &batches() override { return batches_; }
    OldRows &old() override { return old_; }
    RollupRows &rollups() override { return rollups_; }

  private:
    Database database_;
    Statement epoch_;
    SqliteNames names_;
    SqliteRuns runs_;
    SqliteStretches stretches_;
    SqliteTurns turns_;
    SqliteAge age_;
    SqliteRecent recent_;
    SqliteBatches batches_;
    SqliteOld old_;
    SqliteRollups rollups_;
    std::optional<Transaction> transaction_;
    std::optional<Savepoint> savepoint_;
    std::int64_t known_epoch_ = -1;
};

}  // namespace

std::unique_ptr<Tables> open_sqlite_tables(const std::string &path) {
    return std::make_unique<SqliteTables>(path);
}

}  // namespace ble
