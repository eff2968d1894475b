// What was stored lately and is not merged into rollups yet: kept in memory, so that merging need not read it from the database again,
// which takes as long as all else that merging does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ble {

// One thread. Only what was committed is found. A batch is remembered whole or not at all; of one that is not, the database knows.
class SqliteRecent {
  public:
    struct Detection {
        std::int64_t timestamp, advertiser;  // milliseconds since 1970; its id
        std::uint32_t reports;
        std::int16_t rssi;  // dBm
        std::uint8_t zone;
    };

    // A batch of the present transaction; its detections follow.
    void add(std::int64_t batch, std::int64_t received_at);
    void add(const Detection &detection) {
        if (taking_) detections_.push_back(detection);
    }
    void commit();
    void undo();  // forgets what was not committed

    // Of a batch that has this id and time of receipt; none: not remembered. Borrowed until the next change.
    std::optional<std::span<const Detection>> find(std::int64_t batch, std::int64_t received_at) const;
    // That batch and all before it were merged.
    void forget_to(std::int64_t batch);

  private:
    struct Batch {
        std::int64_t id, received_at;
        std::size_t begin;  // in detections_
    };

    std::vector<Batch> batches_;  // in the order of ids
    std::vector<Detection> detections_;
    std::size_t committed_ = 0;  // of batches_
    bool taking_ = false;
};

}  // namespace ble
