// The body of POST /api/v1/detections/bulk: lines for the pipe, or why there are none.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "batch/batch.hpp"

namespace ble {

struct Bulk {
    std::vector<std::string_view> lines;  // pieces of the body
    std::string device_id;                // of the first line
    std::size_t detections = 0;           // valid ones, in all lines
    std::optional<Time> window_end;       // of the last line that tells it
    std::string note;                     // about detections that are not valid, for the log; empty: none
};

struct BulkRefusal {
    // 400: no JSON, or damaged; 403: of another device; 413: a line or the body is too long; 415: an unknown compression; 422: JSON that is no
    // batch, or that has a sender already
    int status;
    std::string reason;
};

// Replaces a body of gzip data by its contents. Refuses more than `limit` bytes of contents, without unpacking
// much more than those, and data that is damaged or ends early.
std::optional<BulkRefusal> unpack_gzip(std::string &body, std::size_t limit);

// `ndjson`: one batch a line, empty lines are skipped. Else one batch, perhaps pretty-printed: its line breaks become
// blanks, in place, so that positions in the reason are the body's. One bad line refuses the whole body, and so does one of
// another device than `only` (empty: of every device).
std::variant<Bulk, BulkRefusal> read_bulk(std::string &body, bool ndjson, BatchParser &parser,
                                          std::string_view only = {});

}  // namespace ble
