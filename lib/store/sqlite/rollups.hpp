#pragma once

#include <map>
#include <span>
#include <unordered_map>
#include <utility>

#include "sqlite/bulk_insert.hpp"
#include "sqlite/database.hpp"
#include "store/rows/rollup_rows.hpp"
#include "store/sqlite/recent.hpp"
#include "store/sqlite/rollup_sums.hpp"

namespace ble {

class SqliteRollups : public RollupRows {
  public:
    // Both are borrowed. What `recent` knows of a batch is not read again, and forgotten when it was merged.
    SqliteRollups(Database &database, SqliteRecent &recent);

    bool take_turn() override { return true; }  // who writes is alone
    void wait_turn() override {}
    void put_due(const DueRange &range) override { put_due_.run(range.from, range.to, range.detections); }
    std::vector<DueRange> due(std::int64_t most) override;
    std::set<std::int64_t> due_among(const std::vector<std::int64_t> &batches) override;
    void shorten_due(std::int64_t from, std::int64_t now_from) override { shorten_due_.run(from, now_from); }
    void erase_due(std::int64_t from) override { erase_due_.run(from); }
    std::vector<DueBatch> batches(const DueRange &range, std::int64_t most) override;
    std::vector<Touched> merge(const std::vector<DueBatch> &batches) override;
    void note_day(std::int64_t day, const Touched &touched) override {
        note_day_.run(day, touched.first_s, touched.last_s, touched.received_at);
    }
    void put_occupancy_due(const OccupancyDue &due) override {
        put_occupancy_due_.run(due.minutes, due.number, due.place);
    }
    std::vector<OccupancyDue> occupancy_due(std::int64_t longest, std::int64_t most) override;
    void count_occupancy(const OccupancyDue &due) override;
    std::optional<std::int64_t> next_day(std::int64_t from) override { return next_day_.find(from); }
    bool is_whole(std::int64_t day) override { return is_whole_.find(day).value_or(1) != 0; }
    bool hold(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) override;
    std::vector<Touched> rebuild(std::int64_t bucket) override;
    void rebuild_day(std::int64_t day) override;

  private:
    struct Zone {  // the nearest one comes first
        std::int64_t advertiser, zone;
        auto operator<=>(const Zone &) const = default;
    };
    struct Batch {
        DueBatch row;
        std::int64_t bucket = -1;  // of the detection before
    };
    using Batches = std::unordered_map<std::int64_t, Batch>;
    template <std::size_t... Column>
    static BulkInsert<decltype(std::int64_t(Column))...> insert_of(std::index_sequence<Column...>);

    std::int64_t read(Statement &statement, Batches &batches, bool scattered);
    void take(const DueBatch &batch, std::span<const SqliteRecent::Detection> heard);
    void add(const DueBatch &batch, std::int64_t bucket, std::int64_t advertiser, std::int64_t reports,
             std::int64_t rssi, std::int64_t zone);
    void touch(std::int64_t bucket, const DueBatch &batch);
    std::vector<Touched> put(bool days_too);
    void put_days();
    void take_window(const DueBatch &batch);
    std::vector<Zone> zones_of(const OccupancyDue &due);
    std::vector<Zone> make_hour(const OccupancyDue &due);
    ZoneCounts told_in(const OccupancyDue &due);
    void forget();

    SqliteRecent &recent_;
    Statement put_due_, due_, is_due_, shorten_due_, erase_due_, batches_, segment_, scattered_;
    Statement note_day_, put_occupancy_due_, occupancy_due_, erase_occupancy_due_, zones_of_bucket_,
        zones_of_day_, buckets_of_hour_, erase_hour_, put_place_, put_told_, told_, forget_told_,
        put_occupancy_, erase_occupancy_;
    Statement next_day_, is_whole_, has_, erase_bucket_, bucket_, windows_, erase_day_, make_day_, mend_day_,
        mark_places_;
    decltype(insert_of(std::make_index_sequence<9>())) put_rollups_, put_hours_;
    decltype(insert_of(std::make_index_sequence<11>())) put_days_;
    RollupSums sums_;                                                   // of what is being merged
    std::map<std::pair<std::int64_t, std::int64_t>, Touched> touched_;  // by bucket and place
};

}  // namespace ble
