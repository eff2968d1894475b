// What retention leaves: tables of detections to which no batch refers, and advertisers without any detection. Outside of transactions, in small steps; others wait only for a moment.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/log.hpp"
#include "store/postgres/connection.hpp"
#include "store/postgres/lock_wait.hpp"
#include "store/postgres/partitions.hpp"
#include "store/rows/old_rows.hpp"

namespace ble {

// A table that is no longer needed is detached first, which is quick. Then its rows are counted, some pages at a time, and subtracted
// from the advertisers' sums, without a lock for which anybody waits; and then it is dropped.
class Leftovers {
  public:
    Leftovers(Connection &connection, Partitions &partitions)
        : connection_(connection), partitions_(partitions) {}

    // Until it says that it is done, or that somebody is in the way. Trouble is the latter.
    Purged step(std::int64_t present_ms);

  private:
    static constexpr auto first_time = std::numeric_limits<std::int64_t>::min();
    enum class Stage : std::uint8_t { part, count, sweep };

    bool part_some(std::int64_t present_ms);
    bool part(const Partition &partition, std::int64_t since_s);
    bool count_some();
    std::string begin_briefly() const;
    void take_from_sums(const std::string &table, std::int64_t first, std::int64_t next);
    bool walk_is_due(std::int64_t present_ms);
    bool sweep_some();
    void sweep_up_to(std::int64_t last);

    Connection &connection_;
    Partitions &partitions_;
    Stage stage_ = Stage::part;
    bool in_the_way_ = false;                 // somebody, in this round
    std::int64_t asked_before_ = first_time;  // tables before that time were asked in this round
    bool dropped_ = false;                    // a table, since the last walk began
    std::optional<std::int64_t> walked_at_;   // when the last walk through all advertisers began
    std::optional<std::int64_t> swept_;  // of the walk that is under way: the last one that was looked at
    // A long query of a reader blocks us, and others then wait behind us. VACUUM gives way after a second (deadlock_timeout).
    LockWait wait_;
    Throttle said_{std::chrono::hours(1)};
};

}  // namespace ble
