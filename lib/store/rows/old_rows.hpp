// What retention looks for and deletes, in all tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ble {

// Older than may be kept by both clocks: stored before the store was so old, received before that time or, by a clock that
// was ahead, after the present.
struct Old {
    std::int64_t lived_s, before_ms, present_ms;
};

struct OldBatch {
    std::int64_t id, received_at;
    std::optional<std::int64_t> oldest, newest;  // of its detections; none: it has none
    std::optional<std::int64_t> timestamp;       // the end of its window
    std::int64_t device = 0;
};

enum class Purged : std::uint8_t {
    all,
    some,  // there is more, and it may be done now
    later  // somebody is in the way
};

class OldRows {
  public:
    struct Hour {
        std::int64_t began_s, left;  // the store's age, and how many batches may still be deleted
    };
    struct First {
        std::int64_t lived_s, received_at;
    };

    virtual ~OldRows() = default;

    virtual std::optional<Hour> hour() = 0;
    virtual void begin_hour(const Hour &hour) = 0;
    virtual void spend_hour(std::int64_t batches) = 0;

    virtual std::int64_t count_batches() = 0;        // of many: about
    virtual std::optional<First> first_batch() = 0;  // by the store's age
    virtual std::vector<OldBatch> batches(const Old &old, std::int64_t most) = 0;
    // With all that is kept of it but rollups and stretches: the days of its detections and of its window are then whole no more. Returns how much work that was,
    // in rows.
    virtual std::int64_t erase(const OldBatch &batch) = 0;
    // Those that neither a detection nor a rollup refers to since erase(), erase_rollups(). Returns how many.
    virtual std::int64_t erase_advertisers() = 0;
    virtual std::int64_t erase_hashes(const Old &old) = 0;  // at most 1000

    // Of the retention of rollups.
    virtual Hour rollup_hour() = 0;
    virtual void set_rollup_hour(const Hour &hour) = 0;
    virtual std::int64_t count_rollup_days() = 0;
    virtual std::optional<std::int64_t>
    first_rolled_up() = 0;  // the store's age when their first batch was stored
    virtual std::optional<std::int64_t> old_rollup_day(const Old &old) = 0;      // all of whose batches are
    virtual std::optional<std::int64_t> rolled_up_before(std::int64_t day) = 0;  // the latest such day
    // Of a day, so many rows at most. False: there is more, and until then it is known to be cut.
    virtual bool erase_rollups(std::int64_t day, std::int64_t most) = 0;

    // Not used since that age of the store:
    virtual std::vector<std::pair<std::int64_t, std::int64_t>> runs(std::int64_t before_s,
                                                                    std::int64_t most) = 0;  // run and device
    virtual std::int64_t erase_run(std::int64_t run,
                                   std::int64_t device) = 0;  // returns how many holes it had
    virtual std::vector<std::pair<std::int64_t, std::string>> devices(
        std::int64_t before_s, std::int64_t most) = 0;  // without a run
    virtual void erase_device(std::int64_t device) = 0;
    virtual std::int64_t erase_places(std::int64_t before_s, std::int64_t most) = 0;
    virtual std::int64_t erase_senders(std::int64_t before_s) = 0;

    virtual void new_epoch() = 0;  // rows went whose ids a process may remember

    // Outside a transaction, after rows were deleted: makes them unreadable, and deletes what is left without them. In small steps.
    virtual Purged purge() = 0;
};

}  // namespace ble
