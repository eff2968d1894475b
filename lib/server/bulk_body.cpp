#include "server/bulk_body.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/gunzip.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "batch/sender.hpp"

namespace ble {
namespace {

constexpr std::size_t unpacked_piece = std::size_t{64} << 10;
constexpr std::string_view gzip_magic = "\x1f\x8b";  // RFC 1952, 2.3.1

// Those at the beginning stay, so that positions are the body's.
std::string_view without_blanks_at_end(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

// Adds the line, unless it is empty, or says why not. `where` comes before the reason.
std::optional<BulkRefusal> add_line(Bulk &bulk, std::string_view line, const std::string &where,
                                    BatchParser &parser, std::string_view only) {
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
    if (has_sender(parsed))
        return BulkRefusal{422, where + "sender: only a receiver may say who has sent a line"};
    if (!only.empty() && device_id != only)
        return BulkRefusal{403, where + "the key is for the device " + printable(only) +
                                    ", and this batch is of " + printable(device_id) +
                                    ": use the key of that device, or make one with blerecv --make-key"};
    if (bulk.lines.empty()) bulk.device_id = device_id;
    bulk.lines.push_back(line);
    if (batch == nullptr) return std::nullopt;
    if (batch->batch.timestamp) bulk.window_end = batch->batch.timestamp;
    bulk.detections += batch->batch.detections.size();
    if (!batch->rejected.empty())
        bulk.note = printable(device_id) + ": " + where + std::to_string(batch->rejected.size()) +
                    " detections are not valid, the first because of " +
                    printable(batch->rejected.front().reason);
    return std::nullopt;
}

}  // namespace

std::optional<BulkRefusal> unpack_gzip(std::string &body, std::size_t limit) {
    Gunzip packed(std::span(reinterpret_cast<const std::uint8_t *>(body.data()), body.size()));
    std::string unpacked;
    std::size_t got;
    do {
        const std::size_t have = unpacked.size();
        if (have > limit)
            return BulkRefusal{413, "the body is too long: after decompression it is longer than " +
                                        std::to_string(limit) + " bytes"};
        unpacked.resize(have + unpacked_piece);
        got = packed.unpack(reinterpret_cast<std::uint8_t *>(unpacked.data()) + have, unpacked_piece);
        unpacked.resize(have + got);
    } while (got > 0);
    if (packed.damaged()) return BulkRefusal{400, "the body's gzip data is damaged"};
    if (!packed.complete()) return BulkRefusal{400, "the body ends inside its gzip data"};
    body = std::move(unpacked);
    return std::nullopt;
}

std::variant<Bulk, BulkRefusal> read_bulk(std::string &body, bool ndjson, BatchParser &parser,
                                          std::string_view only) {
    Bulk bulk;
    if (body.starts_with(gzip_magic))
        return BulkRefusal{415,
                           "the body is compressed by gzip: send the header 'Content-Encoding: gzip' too"};
    if (!ndjson) {
        // Each byte is written, so that the compiler takes many at once.
        std::transform(body.begin(), body.end(), body.begin(),
                       [](char c) { return c == '\n' || c == '\r' ? ' ' : c; });
        if (auto refusal = add_line(bulk, body, "", parser, only)) return *refusal;
    } else {
        std::string_view rest = body;
        for (std::size_t number = 1; !rest.empty(); ++number) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const std::string where = "line " + std::to_string(number) + ": ";
            if (auto refusal = add_line(bulk, rest.substr(0, end), where, parser, only)) return *refusal;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    if (bulk.lines.empty()) return BulkRefusal{400, "the body holds nothing but blanks"};
    return bulk;
}

}  // namespace ble
