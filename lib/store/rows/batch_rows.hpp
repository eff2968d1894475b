// Batches and their detections: the tables batches, detections, details, batch_hashes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

struct BatchRow {
    std::int64_t device = 0;
    std::optional<std::int64_t> run, seq, timestamp;
    std::int64_t received_at = 0;
    std::optional<bool> clock;
    std::optional<std::int64_t> place;
    std::optional<std::uint32_t> window_ms, interval_ms;
    std::optional<std::int64_t> oldest, newest;  // of its detections
    std::optional<std::uint32_t> near, medium, far;
    std::int64_t lived_s = 0;
    std::optional<std::int64_t> sender;
    std::optional<std::string_view> digest;
};

struct DetectionRow {
    std::int64_t timestamp, batch, n, advertiser;
    int rssi;
    std::int64_t zone;
    std::optional<std::uint32_t> count;
    std::string_view details;  // empty: none; borrowed until the tables are sent
};

// A batch that will be asked for by find().
struct ExpectedName {
    std::int64_t device = 0;
    std::string_view run_id;
    std::int64_t seq = 0;
};

class BatchRows {
  public:
    virtual ~BatchRows() = default;

    // False: it is there already.
    virtual bool insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) = 0;
    // Returns its id. Its detections follow, all of them.
    virtual std::int64_t insert(const BatchRow &batch) = 0;
    virtual void insert(const DetectionRow &detection) = 0;
    struct Held {
        std::string digest, sender;  // empty: not kept; not told
    };
    // What is stored under that name.
    virtual std::optional<Held> find(std::int64_t run, std::int64_t seq) = 0;
};

}  // namespace ble
