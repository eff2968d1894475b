// Retention: what is old goes, in small steps.
#pragma once

#include <cstdint>
#include <optional>

#include "store/age.hpp"
#include "store/coverage.hpp"
#include "store/rollup.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"

namespace ble {

class Retention {
  public:
    // All borrowed.
    Retention(Tables &tables, StoreAge &age, RollUp &roll_up);

    // As Store::retain() says. Makes its own transactions.
    Expired step(const Keep &keep, const Clocks &clocks);

  private:
    Expired delete_old(const Keep &keep, const Clocks &clocks);
    std::int64_t left_of_hour(std::int64_t lived_s, std::chrono::seconds keep);
    bool delete_batches(const Old &old, std::int64_t left, Expired &result);
    std::vector<OldBatch> rolled_up(std::vector<OldBatch> found);
    bool delete_rollups(std::int64_t lived_s, std::chrono::seconds keep, const Old &old);
    bool delete_unused(std::int64_t lived_s, std::chrono::seconds keep, Expired &result);
    std::int64_t delete_runs(std::int64_t before_s);
    std::int64_t delete_devices(std::int64_t before_s, Expired &result);
    std::optional<HeldBack> held_back(std::int64_t lived_s, std::chrono::seconds keep, const Old &old);

    Tables &tables_;
    OldRows &rows_;
    StoreAge &age_;
    RollUp &roll_up_;
    Coverage coverage_;
    bool deleted_ = true;                // in this round; of the first one, by a process before
    bool purging_ = false;               // there is more to purge, of what was deleted
    std::optional<HeldBack> held_back_;  // before the purge
};

}  // namespace ble
