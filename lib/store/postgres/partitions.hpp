// The tables that detections are in: one for each day or week of their times. They are made ahead. Rows with another time, as from
// a wrong clock, are in the table detections_other, and are moved when a table for them is made later.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "store/postgres/connection.hpp"

namespace ble {

struct Partition {
    std::int64_t from, to;  // milliseconds since 1970; `to` is not in it
    std::string table;
    std::int64_t bytes;
};

class Partitions {
  public:
    explicit Partitions(Connection &connection) : connection_(connection) {}

    void forget();  // it may be another database
    void begin(std::int64_t present_ms) { present_ms_ = present_ms; }
    // Detections between these times are stored in this transaction.
    void note(std::int64_t oldest, std::int64_t newest);
    void undone() { noted_.clear(); }

    // Outside a transaction: brings indexes up to what was stored, makes tables for what was noted, and ahead of the present. After trouble, such as a reader that locks all
    // tables, it does not try for a minute: storing goes on.
    void keep_up() noexcept;
    // By their times. As they are now.
    std::vector<Partition> all();
    // The one that holds all of these times, as it was when all() was last called.
    const Partition *of(std::int64_t oldest, std::int64_t newest) const;

  private:
    void index_written() noexcept;
    bool covered(std::int64_t time) const;
    void make(std::int64_t time, std::chrono::milliseconds wait);
    std::int64_t days_each() const;

    Connection &connection_;
    std::map<std::int64_t, Partition> known_;       // by `from`
    std::set<std::int64_t> noted_, late_;           // days: of this transaction, of those that are committed
    std::map<std::int64_t, std::int64_t> written_;  // batches that an index may not know, by `from`
    std::chrono::steady_clock::time_point not_before_{}, not_indexed_before_{};
    Throttle said_{std::chrono::hours(1)};
    std::int64_t present_ms_ = 0, looked_ahead_at_ = 0;
    bool read_ = false;
};

}  // namespace ble
