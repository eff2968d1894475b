// Summaries of each five minutes, hour and day: the tables rollups, rollups_hour, rollups_day, rollup_days and
// occupancy_rollups, and which batches are not in them yet (lib/store/rollup.hpp has the rule).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace ble {

// Buckets are numbered since 1970: so many milliseconds each.
constexpr std::int64_t rollup_ms = 300'000, buckets_a_day = 288, buckets_an_hour = 12;

// Batches that were stored in one transaction, by their ids, both inclusive; not all of these need be there.
struct DueRange {
    std::int64_t from = 0, to = 0;
    std::int64_t detections = 0;  // of all, and one for each batch without any; 0: not known
};

struct ZoneCounts {
    std::int64_t near = 0, medium = 0, far = 0;
};

// One of them, as far as a rollup needs to know it.
struct DueBatch {
    std::int64_t id = 0, device = 0, place = 0;  // 0: no place
    std::int64_t lived_s = 0, received_at = 0;
    std::optional<std::int64_t> oldest = {}, newest = {};  // of its detections; none: it has none
    std::optional<std::int64_t> timestamp = {};            // the end of its window
    std::optional<ZoneCounts> told = {};                   // of one that tells numbers alone
};

// Where something was added to, and how old that was: from which age of the store on, and when it was received at the latest.
struct Touched {
    std::int64_t bucket = 0, place = 0;
    std::int64_t first_s = 0, last_s = 0, received_at = 0;
};

// An advertiser in a bucket.
struct Heard {
    std::int64_t bucket = 0, advertiser = 0;
};

// What is known of a place in so many minutes (5, 60, 1440), in the how-manieth of these, is to be counted anew.
struct OccupancyDue {
    std::int64_t minutes = 0, number = 0, place = 0;
};

// One thread, inside a transaction.
class RollupRows {
  public:
    virtual ~RollupRows() = default;

    // From now on nobody else rolls up until the end of the transaction. False: somebody else does.
    virtual bool take_turn() = 0;
    virtual void wait_turn() = 0;  // the same, when they have done

    virtual void put_due(const DueRange &range) = 0;
    virtual std::vector<DueRange> due(std::int64_t most) = 0;  // in the order of ids
    virtual std::set<std::int64_t> due_among(const std::vector<std::int64_t> &batches) = 0;
    virtual void shorten_due(std::int64_t from, std::int64_t now_from) = 0;
    virtual void erase_due(std::int64_t from) = 0;

    // Those that are there, in the order of ids.
    virtual std::vector<DueBatch> batches(const DueRange &range, std::int64_t most) = 0;
    // Adds all their detections to rollups and rollups_day, and the numbers that they tell to those of five minutes in occupancy_rollups. Each
    // bucket and place once that has a detection or the end of a window.
    virtual std::vector<Touched> merge(const std::vector<DueBatch> &batches) = 0;
    // Adds to what is known of the day's batches.
    virtual void note_day(std::int64_t day, const Touched &touched) = 0;

    virtual void put_occupancy_due(const OccupancyDue &due) = 0;
    virtual std::vector<OccupancyDue> occupancy_due(
        std::int64_t longest, std::int64_t most) = 0;  // of at most so many minutes; the short ones first
    // Anew; then it is no longer due. Of 60 minutes, rollups_hour is made anew as well.
    virtual void count_occupancy(const OccupancyDue &due) = 0;

    // The first day from that on of which there are detections, windows or a row in rollup_days; none: no further one.
    virtual std::optional<std::int64_t> next_day(std::int64_t from) = 0;
    // Are all details there that its rollups were made of? Of a day without rollups: yes.
    virtual bool is_whole(std::int64_t day) = 0;
    // Has rollups a row of each of these, of that Pi at that place?
    virtual bool hold(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) = 0;
    // Makes the rollups of a bucket anew, and the numbers told in it, of the batches that are not due; then of a day, of its buckets.
    virtual std::vector<Touched> rebuild(std::int64_t bucket) = 0;
    virtual void rebuild_day(std::int64_t day) = 0;
};

}  // namespace ble
