// What a database knows beyond the lines it was given, as bleexport writes it: the member "archive" of a batch, and lines for a device
// and for a part of a run. It is read only where lines are known to come from a database (BatchParser::Takes): nobody else may say how
// old a batch is, or what its digest was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "batch/span.hpp"

namespace ble {

// Of a batch.
struct Archived {
    Time received_at{};
    std::int64_t age_s =
        0;  // how long the database had it, by its own age (lib/store/age.hpp): at least so long
    // Of the line as its sender wrote it: the first 16 bytes of its SHA-256, or all 32 of a batch that has no other name. Absent: not kept.
    std::optional<std::string> digest;
};

struct ArchivedDevice {
    std::string device_id;
    std::optional<std::string> name, location, sender, version;
    std::optional<Time> first_seen, last_seen, last_conflict;
    Time last_received{};
    bool is_active = true;
    std::int64_t conflicts = 0;
};

struct ArchivedGap {
    std::int64_t from_seq = 0, to_seq = 0;  // both inclusive
    std::string reason;
    Time noticed_at{};
    Span lost;
};

// All of from_seq … to_seq was stored, but for the gaps.
struct ArchivedRun {
    std::string device_id, run_id;
    std::optional<std::string> hash_id;
    std::int64_t from_seq = 0, to_seq = 0;  // both inclusive
    std::vector<ArchivedGap> gaps;          // in order, inside
    // With the last part of a run: the end of its last window that is known of, and from which seq on the ends of gaps are not known yet.
    std::optional<Time> last_end;
    std::optional<bool> last_synced;
    std::optional<std::int64_t> open_from;
};

std::string print_archived(const ArchivedDevice &device);
std::string print_archived(const ArchivedRun &run);

// A line that has "archive" and no detections. A text: why it is neither.
std::variant<ArchivedDevice, ArchivedRun, std::string> parse_archived(std::string_view line);

}  // namespace ble
