// What a server of server-sent events may send, in pieces of as many bytes as the first byte of the input says.
#include <algorithm>
#include <vector>

#include "fuzz.hpp"
#include "transport/event_stream.hpp"

BLE_FUZZ_QUIET

using namespace ble;
using fuzz::must;

namespace {

constexpr std::size_t longest = 64;

struct Heard {
    std::vector<std::string> events;
    std::string last_id;
};

// What is heard of bytes that come in pieces of this size.
Heard hear(std::string_view bytes, std::size_t piece) {
    EventStreamParser parser(longest);
    Heard heard;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
        parser.take(bytes.substr(0, piece), heard.events);
    heard.last_id = parser.last_id();
    parser.begin_anew();
    std::vector<std::string> more;
    parser.take("\n", more);
    must(more.empty(), "nothing is left of what was cut off");
    return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input = fuzz::text(bytes, size).substr(1);
    const Heard some = hear(input, bytes[0] == 0 ? 1 : bytes[0]);
    const Heard whole = hear(input, std::max<std::size_t>(1, input.size()));
    must(some.events == whole.events && some.last_id == whole.last_id, "the pieces do not matter", input);
    std::size_t length = 0;
    for (const auto &event : whole.events) {
        must(event.size() <= longest + 1, "an event is short", event);
        must(event.find('\r') == event.npos, "the ends of lines are LF", event);
        length += event.size();
    }
    must(length <= input.size(), "nothing is made up", input);
    must(whole.last_id.size() <= 1000 &&
             whole.last_id.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
         "an id can stand in a header", whole.last_id);
    return 0;
}
