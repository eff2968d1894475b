#include "server/bulk_body.hpp"

#include <algorithm>
#include <optional>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

// Those at the beginning stay, so that positions are the body's.
std::string_view without_blanks_at_end(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

// Adds the line, unless it is empty, or says why not. `where` comes before the reason.
std::optional<BulkRefusal> add_line(Bulk &bulk, std::string_view line, const std::string &where,
                                    BatchParser &parser) {
    line = without_blanks_at_end(line);
    if (line.empty()) return std::nullopt;
    if (line.size() > max_line)
        return BulkRefusal{413, where + "longer than " + std::to_string(max_line) + " bytes"};
    const ParsedLine parsed = parser.parse(line);
    if (const auto *invalid = std::get_if<InvalidLine>(&parsed))
        return BulkRefusal{invalid->reason.starts_with("not JSON at byte") ? 400 : 422,
                           where + invalid->reason};
    const auto *batch = std::get_if<ParsedBatch>(&parsed);
    const std::string &device_id =
        batch != nullptr ? batch->batch.device_id : std::get<Gap>(parsed).device_id;
    if (bulk.lines.empty()) bulk.device_id = device_id;
    bulk.lines.push_back(line);
    if (batch == nullptr) return std::nullopt;
    bulk.detections += batch->batch.detections.size();
    if (!batch->rejected.empty())
        bulk.note = printable(device_id) + ": " + where + std::to_string(batch->rejected.size()) +
                    " detections are not valid, the first because of " +
                    printable(batch->rejected.front().reason);
    return std::nullopt;
}

}  // namespace

std::variant<Bulk, BulkRefusal> read_bulk(std::string &body, bool ndjson, BatchParser &parser) {
    Bulk bulk;
    if (!ndjson) {
        std::replace_if(
            body.begin(), body.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
        if (auto refusal = add_line(bulk, body, "", parser)) return *refusal;
    } else {
        std::string_view rest = body;
        for (std::size_t number = 1; !rest.empty(); ++number) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const std::string where = "line " + std::to_string(number) + ": ";
            if (auto refusal = add_line(bulk, rest.substr(0, end), where, parser)) return *refusal;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    if (bulk.lines.empty()) return BulkRefusal{400, "the body holds nothing but blanks"};
    return bulk;
}

}  // namespace ble
