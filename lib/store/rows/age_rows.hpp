// How old the store is (lib/store/age.hpp): the one row of the table age.
#pragma once

#include <cstdint>
#include <string>

namespace ble {

struct AgeRow {
    std::int64_t lived_s, uptime_s, wall_ms, steady_since_s;
    std::string boot, sure_boot;  // sure: when the clock could last be believed; empty: never
    std::int64_t sure_wall_ms, sure_lived_s;
    // The age at the first start of the machine after that, or when the clock was first seen not to be synchronised; less
    // than sure_lived_s: neither has been yet.
    std::int64_t rest_began_s;
};

class AgeRows {
  public:
    virtual ~AgeRows() = default;

    virtual AgeRow read() = 0;
    virtual AgeRow lock() = 0;  // read(), and nobody else writes it until the end of the transaction
    virtual void write(const AgeRow &row) = 0;
    // Is a process that wrote the row, on another start of a machine, still alive? Then only that machine writes it.
    virtual bool is_kept(const std::string &boot) = 0;
    virtual std::int64_t newest() = 0;  // the age at which the last batch was stored; -1: there is none

    // Of all batches, hashes of such, and rollups of days:
    virtual void make_older(std::int64_t by_s,
                            std::int64_t before_s) = 0;  // that were stored before that age
    // as old as their times of receipt say, at that age and moment, unless they are older
    virtual void date(std::int64_t lived_s, std::int64_t wall_ms) = 0;
};

}  // namespace ble
