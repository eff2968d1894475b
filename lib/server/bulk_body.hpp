// The body of POST /api/v1/detections/bulk: lines for the pipe, or why there are none.
#pragma once

#include <cstddef>
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
    std::string note;                     // about detections that are not valid, for the log; empty: none
};

struct BulkRefusal {
    int status;  // 400: no JSON; 413: a line is too long; 422: JSON that is no batch
    std::string reason;
};

// `ndjson`: one batch a line, empty lines are skipped. Else one batch, perhaps pretty-printed: its line breaks become
// blanks, in place, so that positions in the reason are the body's. One bad line refuses the whole body.
std::variant<Bulk, BulkRefusal> read_bulk(std::string &body, bool ndjson, BatchParser &parser);

}  // namespace ble
