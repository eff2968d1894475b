// Retention: what is old goes, in small steps.
#pragma once

#include <cstdint>
#include <map>

#include "sqlite/database.hpp"

namespace ble {

class Retention {
  public:
    explicit Retention(Database &database);

    // Deletes some of what was received before that time. True: there may be more. Makes its own transaction.
    bool step(std::int64_t before_ms, std::int64_t now_ms);

  private:
    std::int64_t delete_batch(std::int64_t batch, std::int64_t oldest, std::int64_t newest);
    bool delete_batches(std::int64_t before_ms);
    void delete_advertisers();
    bool delete_hashes(std::int64_t before_ms);

    Database &database_;
    Statement old_batch_, delete_detections_, delete_details_, unlink_batch_, delete_batch_;
    Statement count_down_, delete_advertiser_, delete_hashes_, new_epoch_;
    std::map<std::int64_t, std::int64_t> gone_;  // advertiser -> detections deleted in this step
    bool deleted_ = false;                       // in this round
};

}  // namespace ble
