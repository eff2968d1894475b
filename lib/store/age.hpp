// How old the store is, by what cannot lie: the sum of the uptimes in which it was seen. Rows carry the store's age at
// which they were stored (`lived_s`), and are at least as old as it has grown since, whatever the wall clock says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clocks.hpp"
#include "store/rows/age_rows.hpp"
#include "store/store.hpp"

namespace ble {

// Works inside the store's transaction.
class StoreAge {
  public:
    explicit StoreAge(AgeRows &rows);

    // Looks at the clocks. Returns the store's age in seconds: of one start of the machine all time counts, also that in
    // which nobody looked; the time between two starts does not. It is made up for, for the rows of before, when the
    // clock could be believed on both sides of it, and was not set in between within one start: a machine that was paused
    // does not tell what it stored after that. Clocks that were read some time ago do no harm.
    std::int64_t look(const Clocks &clocks);

    // By how much what look() returned may be too much, so that what is stored now is rather younger than it is: of what is to be
    // deleted it is to be taken away.
    std::int64_t ahead_s() const { return ahead_s_; }

    // The operator's word that the wall clock and all times of receipt are right: rows are as old as these say.
    void believe(const Clocks &clocks);

    // The wall clock was set while the machine ran: told once.
    std::optional<ClockStep> take_step();

  private:
    // What the clocks say since the row was written.
    struct Passed {
        std::int64_t since_s, passed_s, lived_s;
        bool parted, started, doubtful, sure_till_now;
        bool worth_writing;
    };

    // The word of another machine, and since which uptime of this one it has not changed.
    struct Heard {
        std::string boot;
        std::int64_t lived_s, uptime_s, since_s;
    };

    static AgeRow bounded(AgeRow row);
    static Passed compare(const AgeRow &row, const Clocks &clocks);
    std::int64_t by_another(const AgeRow &row, const Clocks &clocks);
    std::int64_t write(AgeRow row, const Passed &passed, const Clocks &clocks);
    void heed_others(const AgeRow &row, Passed &passed);
    void make_up(AgeRow &row, std::int64_t wall_ms);

    AgeRows &rows_;
    std::optional<Heard> heard_;
    std::int64_t ahead_s_ = 0;
    std::optional<ClockStep> step_;
};

}  // namespace ble
