// Lines of batches and gaps: what is taken is printed, taken again, and then the same; its events can be read.
#include "batch/batch.hpp"

#include "base/limits.hpp"
#include "batch/confirmation.hpp"
#include "batch/event.hpp"
#include "batch/subscribe.hpp"
#include "fuzz.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

void check(BatchParser &parser, const Gap &gap) {
    const std::string line = print_gap(gap);
    const auto again = parser.parse(line);
    const auto *found = std::get_if<Gap>(&again);
    must(found != nullptr && print_gap(*found) == line, "a gap that was taken is taken again as it is", line);
}

void check(BatchParser &parser, const Batch &batch) {
    const std::string line = print_batch(batch);
    if (line.size() > max_line) return;
    const auto again = parser.parse(line);
    const auto *found = std::get_if<ParsedBatch>(&again);
    must(found != nullptr && found->rejected.empty(), "a batch that was taken is taken again, all of it",
         line);
    must(print_batch(found->batch) == line, "and it is the same", line);
}

// As bleingest --import takes it.
void check_archived(std::string_view line) {
    static BatchParser parser(BatchParser::Takes::archives);
    const ParsedLine parsed = parser.parse(line);
    std::string printed;
    if (const auto *device = std::get_if<ArchivedDevice>(&parsed)) printed = print_archived(*device);
    if (const auto *run = std::get_if<ArchivedRun>(&parsed)) printed = print_archived(*run);
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) check(parser, batch->batch);
    if (printed.empty() || printed.size() > max_line) return;
    const ParsedLine again = parser.parse(printed);
    const auto *device = std::get_if<ArchivedDevice>(&again);
    const auto *run = std::get_if<ArchivedRun>(&again);
    must(device != nullptr || run != nullptr, "what a database says is taken again", printed);
    must((device != nullptr ? print_archived(*device) : print_archived(*run)) == printed,
         "and it is the same", printed);
}

void check_event(const std::string &event) {
    static EventReader reader;
    must(event.size() <= max_event, "an event is not too long", event);
    must(reader.read(event).has_value(), "an event can be read", event);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    static BatchParser parser;
    const std::string_view line = fuzz::text(bytes, size);
    if (size > max_line) return 0;
    check_archived(line);
    const ParsedLine parsed = parser.parse(line);
    const auto name = name_line(parsed, line);
    must(name.has_value() != std::holds_alternative<InvalidLine>(parsed), "all that was taken has a name",
         line);
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) {
        check(parser, batch->batch);
        if (batch->rejected.empty()) check_event(detection_event(line));
        for (const auto &event : detection_events(batch->batch)) check_event(event);
    } else if (const auto *gap = std::get_if<Gap>(&parsed)) {
        check(parser, *gap);
        check_event(gap_event(line));
    } else {
        const auto &invalid = std::get<InvalidLine>(parsed);
        must(!invalid.reason.empty(), "what is refused has a reason", line);
        if (invalid.hole) check(parser, *invalid.hole);
        check_event(error_event(invalid.reason));
    }
    return 0;
}
