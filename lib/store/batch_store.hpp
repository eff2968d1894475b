// The store on any database that offers the rows of tables.hpp: which lines are new, and what follows from each. One transaction
// for each call of store().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "store/age.hpp"
#include "store/catalog.hpp"
#include "store/coverage.hpp"
#include "store/retention.hpp"
#include "store/rollup.hpp"
#include "store/run_ledger.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"
#include "store/twin_watch.hpp"

namespace ble {

class BatchStore : public Store {
  public:
    explicit BatchStore(std::unique_ptr<Tables> tables);

    StoreResult store(const std::vector<StoreItem> &items, const Clocks &present) override;
    Expired retain(const Keep &keep, const Clocks &present) override;
    void trust_times(const Clocks &present) override;
    RolledUp roll_up(std::chrono::minutes occupancy) override;
    RebuiltRollups rebuild_rollups(std::int64_t from_day) override;

  private:
    struct RefusedLine {
        std::string reason;
        bool label = true;  // its hole, unless the store's rules forbid that as well
    };
    using Refused = std::map<std::size_t, RefusedLine>;

    StoreResult store_once(const std::vector<StoreItem> &items);
    StoreResult store_together(const std::vector<StoreItem> &items);
    StoreResult store_apart(const std::vector<StoreItem> &items);
    bool try_apart(const std::vector<StoreItem> &items, Refused &refused, StoreResult &result);
    bool label_refused(const Batch &batch, StoreResult &result);
    bool begin();
    Expected foresee(const std::vector<StoreItem> &items);
    Expected devices_of(std::span<const StoreItem> items);
    void add(const StoreItem &item, StoreResult &result);
    StoreOutcome add_batch(const Batch &batch, std::string_view line, StoreResult &result);
    StoreOutcome add_unnamed(const Batch &batch, std::string_view line);
    StoreOutcome add_gap(const Gap &gap, StoreResult &result);
    // Where what another store had is stored (batch_store_archived.cpp).
    StoreOutcome add_archived(const Batch &batch, StoreResult &result);
    StoreOutcome add_run(const ArchivedRun &archived);
    StoreOutcome compared(const Batch &batch, std::int64_t device, const BatchRows::Held &held,
                          std::optional<std::string_view> digest, StoreResult &result);
    void watch(const Batch &batch, std::int64_t device, const RunLedger::Run &run, StoreResult &result);
    void insert_batch(const Batch &batch, std::int64_t device, const RunLedger::Run *run,
                      std::optional<std::string_view> digest);
    void add_window(const Window &window, bool archived);
    std::vector<Heard> insert_detections(const Batch &batch, std::int64_t id, std::int64_t received_at_ms);
    void flush();
    void forget();
    // When it was received, and how old the store was then; in the store that it comes from.
    struct Receipt {
        std::int64_t at_ms, lived_s;
    };
    Receipt receipt_of(const Batch &batch) const;
    static std::int64_t taken_at(const Batch &batch, Time time, std::int64_t received_at_ms);

    std::unique_ptr<Tables> tables_;
    Catalog catalog_;
    RunLedger runs_;
    StoreAge age_;
    Coverage coverage_;
    TwinWatch twins_;
    RollUp roll_up_;
    Retention retention_;
    Clocks present_;
    std::int64_t known_epoch_ = -1;  // none is known yet
    std::int64_t received_at_ms_ = 0, lived_s_ = 0;
    std::deque<std::string> plain_;  // details that were changed, until they are sent
};

}  // namespace ble
