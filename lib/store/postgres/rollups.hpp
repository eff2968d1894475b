#pragma once

#include "store/postgres/connection.hpp"
#include "store/rows/rollup_rows.hpp"

namespace ble {

// One process at a time rolls up, for all; detections do not leave the server for it.
class PostgresRollups : public RollupRows {
  public:
    explicit PostgresRollups(Connection &connection) : connection_(connection) {}

    bool take_turn() override;
    void wait_turn() override;
    void put_due(const DueRange &range) override;
    std::vector<DueRange> due(std::int64_t most) override;
    std::set<std::int64_t> due_among(const std::vector<std::int64_t> &batches) override;
    void shorten_due(std::int64_t from, std::int64_t now_from) override;
    void erase_due(std::int64_t from) override;
    std::vector<DueBatch> batches(const DueRange &range, std::int64_t most) override;
    std::vector<Touched> merge(const std::vector<DueBatch> &batches) override;
    void note_day(std::int64_t day, const Touched &touched) override;
    void put_occupancy_due(const OccupancyDue &due) override;
    std::vector<OccupancyDue> occupancy_due(std::int64_t longest, std::int64_t most) override;
    void count_occupancy(const OccupancyDue &due) override;
    std::optional<std::int64_t> next_day(std::int64_t from) override;
    bool is_whole(std::int64_t day) override;
    bool hold(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) override;
    std::vector<Touched> rebuild(std::int64_t bucket) override;
    void rebuild_day(std::int64_t day) override;

  private:
    Connection &connection_;
};

}  // namespace ble
