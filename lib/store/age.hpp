// How old the store is, without the wall clock: the sum of the uptimes during which it was seen. Rows carry the store's age at
// which they were stored (`lived_s`); a row is at least as old as the age has grown since.
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

    // Looks at the clocks. Returns the store's age in seconds: within one start of the machine all time counts, also when
    // nobody looked; time between two starts does not. That time is added for earlier rows when the
    // clock could be believed on both sides of it, and was not set within one start: nobody knows what a machine
    // stored after a pause. Clocks that were read some time ago do no harm.
    std::int64_t look(const Clocks &clocks);

    // By how much look() may have returned too much, so that new rows rather look too young. Subtract it before
    // something is deleted.
    std::int64_t ahead_s() const { return ahead_s_; }

    // The operator's word that the wall clock and all times of receipt are right: rows are as old as these say.
    void believe(const Clocks &clocks);

    // The wall clock was set while the machine ran: returned once.
    std::optional<ClockStep> take_step();

  private:
    // What the clocks say since the row was written.
    struct Passed {
        std::int64_t since_s, passed_s, lived_s;
        bool parted, started, doubtful, sure_till_now;
        bool worth_writing;
    };

    // The age as another machine wrote it, and since which uptime of this one it has not changed.
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
