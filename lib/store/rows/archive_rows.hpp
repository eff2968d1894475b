// What is read to write a database down (lib/store/archive.hpp), in the order in which it was stored.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/pieces.hpp"

namespace ble {

// A batch without its detections; times in milliseconds since 1970.
struct ArchivedRow {
    std::int64_t id = 0, received_at = 0, lived_s = 0;
    std::string device_id;
    std::optional<std::string> name, location, run_id, hash_id, sender, digest;
    std::optional<std::int64_t> seq, timestamp, clock, window_ms, interval_ms, near, medium, far;
    std::optional<std::int64_t> oldest, newest;  // of its detections; none: it has none
};

struct ArchivedDetection {
    std::int64_t batch = 0, n = 0, timestamp = 0, rssi = 0, zone = 0;
    std::optional<std::int64_t> count;
    std::string_view device_hash, details;  // as long as the call
};

struct ArchivedDeviceRow {
    std::string device_id;
    std::optional<std::string> name, location, sender, version;
    std::optional<std::int64_t> first_seen, last_seen, last_conflict;
    std::int64_t last_received = 0, is_active = 1, conflicts = 0;
};

struct ArchivedRunRow {
    std::int64_t id = 0, next_seq = 0;
    std::string device_id, run_id;
    std::optional<std::string> hash_id;
    Bound last;
    std::optional<std::int64_t> open_from;
};

// One thread. Throws DatabaseError. All between begin() and end() is of one moment; nothing is written.
class ArchiveRows {
  public:
    using Sink = std::function<void(const ArchivedDetection &)>;

    virtual ~ArchiveRows() = default;

    virtual void begin() = 0;
    virtual void end() = 0;
    virtual void give_up() noexcept = 0;  // end(), after an error

    virtual std::int64_t lived_s() = 0;  // the store's age
    virtual std::pair<std::int64_t, std::int64_t>
    extent() = 0;  // the first and the last id of a batch; 0: there is none
    virtual std::vector<ArchivedDeviceRow> devices() = 0;
    virtual std::vector<ArchivedRunRow> runs(std::int64_t after, std::int64_t most) = 0;  // by id
    virtual std::vector<HolePiece> holes(std::int64_t run, std::int64_t from_seq,
                                         std::int64_t most) = 0;  // that begin there or later
    virtual std::vector<ArchivedRow> batches(std::int64_t after, std::int64_t most) = 0;  // by id
    // Of these, in any order; and some of them twice, or of other batches.
    virtual void detections(const std::vector<ArchivedRow> &batches, const Sink &sink) = 0;
};

}  // namespace ble
