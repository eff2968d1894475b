// Retention: what is old goes, in small steps.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sqlite/database.hpp"
#include "store/age.hpp"
#include "store/coverage.hpp"
#include "store/store.hpp"

namespace ble {

class Retention {
  public:
    Retention(Database &database, StoreAge &age);

    // As Store::retain() says. Makes its own transaction.
    Expired step(std::chrono::seconds keep, const Clocks &clocks);

  private:
    // What is older than `keep` by both clocks: stored before the store was so old, received before that time or, by a
    // clock that was ahead, after the present.
    struct Old {
        std::int64_t lived_s, before_ms, present_ms;
    };
    struct Found {
        std::int64_t id, oldest, newest, received_ms;
        bool empty, listened;
        Coverage::Window window;  // when it listened
    };

    std::int64_t left_of_hour(std::int64_t lived_s, std::chrono::seconds keep);
    std::vector<Found> find(const Old &old, std::int64_t most);
    bool delete_batches(const Old &old, std::int64_t left, Expired &result);
    std::int64_t delete_batch(const Found &batch);
    std::int64_t delete_detections(Statement &statement);
    void delete_advertisers();
    bool delete_hashes(const Old &old);
    bool delete_unused(std::int64_t lived_s, std::chrono::seconds keep, Expired &result);
    std::int64_t delete_runs(std::int64_t before_s);
    std::int64_t delete_devices(std::int64_t before_s, Expired &result);
    std::optional<HeldBack> held_back(std::int64_t lived_s, std::chrono::seconds keep, const Old &old);

    Database &database_;
    StoreAge &age_;
    Coverage coverage_;
    Statement hour_, begin_hour_, spend_hour_, old_batches_;
    Statement delete_detections_, delete_scattered_, scattered_, delete_details_, unlink_batch_,
        delete_batch_;
    Statement count_down_, delete_advertiser_, delete_hashes_, first_batch_, new_epoch_;
    Statement old_runs_, delete_gaps_, delete_turns_, delete_run_, count_holes_;
    Statement old_devices_, delete_device_, delete_places_, unlink_senders_, delete_senders_;
    std::map<std::int64_t, std::int64_t> gone_;  // advertiser -> detections deleted in this step
    bool deleted_ = false;                       // in this round
};

}  // namespace ble
