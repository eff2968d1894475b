#pragma once

#include <map>

#include "store/postgres/connection.hpp"
#include "store/postgres/leftovers.hpp"
#include "store/postgres/partitions.hpp"
#include "store/rows/old_rows.hpp"

namespace ble {

// An old batch is deleted. So are its detections if their table is small. A large table is kept until no batch refers to it, and then dropped as a
// whole; no view shows its rows without a batch.
class PostgresOld : public OldRows {
  public:
    PostgresOld(Connection &connection, Partitions &partitions)
        : connection_(connection), partitions_(partitions) {}

    std::optional<Hour> hour() override;
    void begin_hour(const Hour &hour) override;
    void spend_hour(std::int64_t batches) override;
    std::int64_t count_batches() override;
    std::optional<First> first_batch() override;
    std::vector<OldBatch> batches(const Old &old, std::int64_t most) override;
    std::int64_t erase(const OldBatch &batch) override;
    std::int64_t erase_advertisers() override;
    std::int64_t erase_hashes(const Old &old) override;
    Hour rollup_hour() override;
    void set_rollup_hour(const Hour &hour) override;
    std::int64_t count_rollup_days() override;
    std::optional<std::int64_t> first_rolled_up() override;
    std::optional<std::int64_t> old_rollup_day(const Old &old) override;
    std::optional<std::int64_t> rolled_up_before(std::int64_t day) override;
    bool erase_rollups(std::int64_t day, std::int64_t most) override;
    std::vector<std::pair<std::int64_t, std::int64_t>> runs(std::int64_t before_s,
                                                            std::int64_t most) override;
    std::int64_t erase_run(std::int64_t run, std::int64_t device) override;
    std::vector<std::pair<std::int64_t, std::string>> devices(std::int64_t before_s,
                                                              std::int64_t most) override;
    void erase_device(std::int64_t device) override;
    std::int64_t erase_places(std::int64_t before_s, std::int64_t most) override;
    std::int64_t erase_senders(std::int64_t before_s) override;
    void new_epoch() override;
    Purged purge() override;

  private:
    std::int64_t erase_detections(const OldBatch &batch);

    Connection &connection_;
    Partitions &partitions_;
    Leftovers leftovers_{connection_, partitions_};
    std::map<std::int64_t, std::int64_t> gone_;  // advertiser -> detections erased since batches()
    std::int64_t present_ms_ = 0;
};

}  // namespace ble
