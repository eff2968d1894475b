// The rows of a spool's file, and the statements that read and write them. Each throws as Statement does.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "spool/spool.hpp"
#include "spool/spool_age.hpp"
#include "sqlite/database.hpp"

namespace ble {

class SpoolRows {
  public:
    // When a line came. Read from a file it is data from outside, which may say anything.
    struct Stamp {
        std::int64_t since_ms;  // since 1970, UTC
        std::int64_t lived_s;   // the age of the spool then, see SpoolAge
    };
    struct Row {
        std::uint64_t id;
        Stamp came;
        std::string_view line;  // valid until the next row
        bool ours = false;      // a gap line that we made
    };
    struct State {
        std::uint64_t reserved = 0;  // no id in the file is as high
        Spool::Loss loss;
        SpoolAge age;
    };
    struct Sum {
        std::size_t batches = 0;
        std::uint64_t bytes = 0;  // of their lines
    };

    // Borrows the database.
    explicit SpoolRows(Database &database);

    Sum sum();
    State state();  // Error(io): it is lost
    void save(const State &state);

    void insert_batch(const Row &row);
    void delete_batch(std::uint64_t id);
    void delete_batches(const std::set<std::uint64_t> &ids);
    // In order, as long as `take` wants another one after each.
    void read_batches_after(std::uint64_t id, const std::function<bool(const Row &)> &take);

    void put_gap(const Row &row);
    void delete_gap(std::uint64_t id);
    std::string gap_line(std::uint64_t id);  // Error(io): it is lost
    void read_gaps(const std::function<void(const Row &)> &take);

  private:
    Database &database_;
    Statement insert_, delete_, page_, put_gap_, delete_gap_, read_gap_, save_state_;
};

}  // namespace ble
