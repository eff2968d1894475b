// How old the store is, by what cannot lie: the sum of the uptimes in which it was seen. Rows carry the store's age at
// which they were stored (`lived_s`), and are at least as old as it has grown since, whatever the wall clock says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clocks.hpp"
#include "sqlite/database.hpp"
#include "store/store.hpp"

namespace ble {

// Works inside the store's transaction.
class StoreAge {
  public:
    explicit StoreAge(Database &database);

    // Looks at the clocks. Returns the store's age in seconds: of one start of the machine all time counts, also that in
    // which nobody looked; the time between two starts does not. It is made up for, for the rows of before, when the
    // clock could be believed on both sides of it, and was not set in between within one start: a machine that was paused
    // does not tell what it stored after that. Clocks that were read some time ago do no harm.
    std::int64_t look(const Clocks &clocks);

    // The operator's word that the wall clock and all times of receipt are right: rows are as old as these say.
    void believe(const Clocks &clocks);

    // The wall clock was set while the machine ran: told once.
    std::optional<ClockStep> take_step();

  private:
    struct Row {
        std::int64_t lived_s, uptime_s, wall_ms, steady_since_s;
        std::string boot, sure_boot;  // sure: when the clock could last be believed; empty: never
        std::int64_t sure_wall_ms, sure_lived_s;
        // The age at the first start of the machine after that, or when the clock was first seen not to be synchronised;
        // less than sure_lived_s: neither has been yet.
        std::int64_t rest_began_s;
    };

    Row read();
    void write(const Row &row);
    void make_up(Row &row, std::int64_t wall_ms);

    Statement read_, write_, newest_, older_batches_, older_hashes_, date_batches_, date_hashes_;
    std::optional<ClockStep> step_;
};

}  // namespace ble
