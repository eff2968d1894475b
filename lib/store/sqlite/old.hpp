#pragma once

#include <map>
#include <set>

#include "sqlite/database.hpp"
#include "store/rows/old_rows.hpp"

namespace ble {

class SqliteOld : public OldRows {
  public:
    explicit SqliteOld(Database &database);

    std::optional<Hour> hour() override;
    void begin_hour(const Hour &hour) override { begin_hour_.run(hour.began_s, hour.left); }
    void spend_hour(std::int64_t batches) override { spend_hour_.run(batches); }
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
    void new_epoch() override { new_epoch_.run(); }
    Purged purge() override;

  private:
    std::int64_t erase_detections(std::int64_t batch, std::int64_t oldest, std::int64_t newest);
    std::int64_t erase_detections(Statement &statement);

    Database &database_;
    Statement hour_, begin_hour_, spend_hour_, old_batches_, first_batch_;
    Statement erase_detections_, erase_scattered_, scattered_, erase_details_, unlink_batch_, erase_batch_;
    Statement count_down_, erase_advertiser_, erase_hashes_, new_epoch_;
    Statement old_runs_, erase_gaps_, erase_turns_, erase_run_, count_holes_;
    Statement rollup_hour_, set_rollup_hour_, first_rolled_up_, old_rollup_day_, rolled_up_before_, cut_day_,
        erase_buckets_, erase_hours_, erase_occupancy_, erase_day_, erase_rollup_day_, part_rollup_day_;
    Statement old_devices_, erase_stretches_, erase_places_of_, erase_device_, erase_places_, unlink_senders_,
        erase_senders_;
    std::set<std::int64_t> days_;                // that had detections of the batch which is erased
    std::map<std::int64_t, std::int64_t> gone_;  // advertiser -> detections erased since batches()
};

}  // namespace ble
