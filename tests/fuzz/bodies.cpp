// What comes in messages: bodies of HTTP requests (the first byte says whether there is one batch a line), packed or not, payloads
// of MQTT, confirmations.
#include <utility>

#include "base/limits.hpp"
#include "batch/confirmation.hpp"
#include "batch/message.hpp"
#include "fuzz.hpp"
#include "server/bulk_body.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

void read_body(std::string body, bool ndjson) {
    static BatchParser parser;
    const auto read = read_bulk(body, ndjson, parser);
    if (const auto *refusal = std::get_if<BulkRefusal>(&read)) {
        must(refusal->status >= 400 && refusal->status < 500 && !refusal->reason.empty(),
             "a refusal says why", body);
        return;
    }
    const auto &lines = std::get<Bulk>(read).lines;
    must(!lines.empty(), "a body that is taken has lines", body);
    for (const auto line : lines) {
        must(line.size() <= max_line && line.find('\n') == line.npos, "a line of a pipe", line);
        must(!std::holds_alternative<InvalidLine>(parser.parse(line)), "a line is taken again", line);
    }
}

void unpack_body(std::string body) {
    constexpr std::size_t limit = 5000;
    const auto refusal = unpack_gzip(body, limit);
    must(refusal || body.size() <= limit, "no more is unpacked than may be");
    must(!refusal || refusal->status == 400 || refusal->status == 413, "a refusal of packed data");
}

void read_payload(std::string_view payload) {
    for (const auto &line : split_message(payload)) {
        must(line.find_first_not_of(" \t\r\n") != line.npos, "no line is empty", line);
        must(line.find_first_of("\r\n") == line.npos, "a line has no breaks", line);
        must(split_message(line) == std::vector<std::string>{line}, "a line is one line", line);
    }
}

void read_confirmation(std::string_view text) {
    const auto read = parse_confirmation(text);
    if (!read) return;
    const std::string printed = print_confirmation(*read);
    const auto again = parse_confirmation(printed);
    must(again.has_value() && print_confirmation(*again) == printed,
         "a confirmation that was taken is taken again", printed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text = fuzz::text(bytes + 1, size - 1);
    read_body(std::string(text), bytes[0] % 2 == 0);
    unpack_body(std::string(text));
    read_payload(text);
    read_confirmation(text);
    return 0;
}
