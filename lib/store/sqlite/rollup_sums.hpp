// What several detections give together: a row for each five minutes, place, advertiser and Pi.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace ble {

// One thread.
class RollupSums {
  public:
    struct Row {
        std::int64_t bucket, place, advertiser,
            device;  // bucket: five minutes since 1970; of days() days since then
        std::int64_t detections, reports, strongest, rssi_sum, zone;
        std::int64_t first, last;  // of days(): the how-manieth five minutes of the day

        auto key() const { return std::tie(bucket, place, advertiser, device); }
    };

    // One detection: `reports`, `strongest`, `rssi_sum` and `zone` are its own.
    void add(const Row &detection);
    // In the order of the tables, each key once. Borrowed until the next call.
    const std::vector<Row> &sorted();
    // The same of whole days, in place of those of five minutes, which are forgotten.
    const std::vector<Row> &days();
    void forget();

  private:
    using Key = std::array<std::int64_t, 4>;
    struct Hash {
        std::size_t operator()(const Key &key) const;
    };

    std::vector<Row> rows_;
    std::unordered_map<Key, std::size_t, Hash> where_;  // in rows_
};

}  // namespace ble
