// The store in SQLite: WAL, synchronous=FULL, one transaction for each call of store().
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sqlite/bulk_insert.hpp"
#include "sqlite/database.hpp"
#include "store/age.hpp"
#include "store/catalog.hpp"
#include "store/coverage.hpp"
#include "store/retention.hpp"
#include "store/run_ledger.hpp"
#include "store/store.hpp"
#include "store/twin_watch.hpp"

namespace ble {

class SqliteStore : public Store {
  public:
    explicit SqliteStore(const std::string &path);

    StoreResult store(const std::vector<StoreItem> &items, const Clocks &present) override;
    Expired retain(std::chrono::seconds keep, const Clocks &present) override;
    void trust_times(const Clocks &present) override;

  private:
    struct Tables;
    struct RefusedLine {
        std::string reason;
        bool label = true;  // its hole, unless the store's rules forbid that as well
    };
    using Refused = std::map<std::size_t, RefusedLine>;

    StoreResult store_together(const std::vector<StoreItem> &items);
    StoreResult store_apart(const std::vector<StoreItem> &items);
    bool try_apart(const std::vector<StoreItem> &items, Refused &refused, StoreResult &result);
    bool label_refused(const Batch &batch, StoreResult &result);
    void begin();
    void add(const StoreItem &item, StoreResult &result);
    StoreOutcome add_batch(const Batch &batch, std::string_view line, StoreResult &result);
    StoreOutcome add_unnamed(const Batch &batch, std::string_view line);
    StoreOutcome add_gap(const Gap &gap, StoreResult &result);
    StoreOutcome known(const Batch &batch, const RunLedger::Run &run, std::string_view digest,
                       StoreResult &result);
    void watch(const Batch &batch, std::int64_t device, const RunLedger::Run &run, StoreResult &result);
    void insert_batch(const Batch &batch, std::int64_t device, const RunLedger::Run *run,
                      std::optional<Blob> digest);
    void insert_detections(const Batch &batch, std::int64_t id);
    void flush();
    void forget();
    std::int64_t taken_at(const Batch &batch, Time time) const;

    Database database_;
    bool ready_;  // orders opening the schema before the statements below
    Catalog catalog_;
    RunLedger runs_;
    StoreAge age_;
    Coverage coverage_;
    TwinWatch twins_;
    Retention retention_;
    Statement epoch_, insert_batch_, insert_details_, insert_scattered_, insert_hash_, other_;
    BulkInsert insert_detections_;
    Clocks present_;
    std::int64_t known_epoch_ = -1, received_at_ms_ = 0, lived_s_ = 0;
};

}  // namespace ble
