// The batch: one line of blepipe-batch(5), as values. Printing for blescan, parsing for bleingest and the servers.
// Tools in the middle never re-print a line: they forward its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/timestamp.hpp"
#include "batch/archive.hpp"
#include "batch/device_hash.hpp"
#include "batch/span.hpp"

namespace ble {

enum class Zone : std::uint8_t { near, medium, far };
std::string_view zone_name(Zone zone);

struct Detection {
    DeviceHash device_hash;  // the advertiser
    int rssi_dbm = 0;        // -127 to 20: the window's median
    Zone zone = Zone::far;
    Time timestamp{};                    // when last heard in the window
    std::optional<std::uint32_t> count;  // advertisements heard; absent from the first implementation
    // All other members (--detail, --addresses, --names, unknown ones) as one JSON object, "{…}"; empty: none.
    std::string details;
};

// (device_id, run_id, seq) names a batch for ever.
struct RunPosition {
    std::string run_id;  // 1 to 64 characters; ours: 16 hex digits
    std::uint64_t seq = 0;
};

// How many advertisers were in each zone: from a scanner that does not say who they were.
struct Occupancy {
    std::uint32_t near = 0, medium = 0, far = 0;
};

struct Batch {
    std::string device_id;                      // 3 to 50 characters
    std::optional<std::string> name, location;  // at most 100 and 200 characters
    std::optional<std::string> version;         // of the program that made it: at most 64 characters
    std::optional<Time> timestamp;              // end of the window; may be absent over HTTP
    std::optional<RunPosition> position;  // absent: the first implementation's; named by the line's SHA-256
    std::optional<std::uint32_t> window_ms, interval_ms;
    std::optional<bool> clock_synced;
    std::optional<std::string> hash_id;
    std::optional<Occupancy> occupancy;  // then there are no detections, in what we print
    std::vector<Detection> detections;
    std::optional<std::string> sender;  // from a receiver (batch/sender.hpp); print_batch() leaves it out
    std::optional<Archived> archive;    // out of a database
};

// A hole that a tool made and reports.
struct Gap {
    std::string device_id, run_id;
    std::uint64_t from_seq = 0, to_seq = 0;  // both inclusive
    std::string reason;  // "buffer_full", …: 1 to 64 characters; blepipe-batch(5) lists ours
    std::optional<std::string> sender = {};
    Span lost = {};  // from the start of the first window to the end of the last one
};

// The window of a batch, as far as it tells.
Span window_of(const Batch &batch);
// What a batch with a position leaves when it is lost.
Gap gap_for(const Batch &batch, std::string reason);

// Two runs that have one device_id and go on at the same time.
struct Twins {
    std::string device_id;
    std::array<std::string, 2> run_ids;
    Time noticed_at{};
};

struct InvalidLine {
    std::string reason;  // for people: "not JSON at byte 17: …", "device_id: shorter than 3 characters"
    std::size_t position = 0;  // byte offset of a JSON error, 0 when not known
    // Of a batch whose name can be read: what is missing without it, for the reason "rejected".
    std::optional<Gap> hole = {};
    std::string from = {};  // the line's sender, else its device_id, where one can be read
};

// A detection that was rejected alone, and why.
struct InvalidDetection {
    std::size_t index;  // in the line's array
    std::string reason;
};

struct ParsedBatch {
    Batch batch;  // valid detections only
    std::vector<InvalidDetection> rejected;
    std::vector<std::string> left_out;  // members that the batch is without, and why: "name: longer than …"

    bool whole() const { return rejected.empty() && left_out.empty(); }
};

// The last two only of who takes an archive.
using ParsedLine = std::variant<ParsedBatch, Gap, InvalidLine, ArchivedDevice, ArchivedRun>;

// Reuses its buffers from line to line; one thread. Bounded: depth 16. A line with two members of one name is refused:
// readers differ in which of them counts.
class BatchParser {
  public:
    // Lines with the member "archive" (batch/archive.hpp) are refused by all others: it is the word of a database.
    enum class Takes { lines, archives };
    explicit BatchParser(Takes takes = Takes::lines);
    ~BatchParser();
    BatchParser(BatchParser &&) noexcept;
    BatchParser &operator=(BatchParser &&) noexcept;

    // `line` without LF, at most max_line bytes and what a receiver added; archive_room more with an archive. Never throws for bad input.
    ParsedLine parse(std::string_view line);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The line, without LF. "format":1 is written first; optional members only when set.
std::string print_batch(const Batch &batch);
std::string print_gap(const Gap &gap);

}  // namespace ble
