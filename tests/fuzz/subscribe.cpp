// A client's message in the first line, and an event that its filter is then put to in the second.
#include "batch/subscribe.hpp"

#include "batch/event.hpp"
#include "fuzz.hpp"

BLE_FUZZ_QUIET

using namespace ble;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    static EventReader reader;
    const std::string_view input = fuzz::text(bytes, size);
    const auto end = std::min(input.find('\n'), size);
    const std::string_view event = input.substr(std::min(end + 1, size));
    const auto parsed = parse_subscribe(input.substr(0, end));
    if (const auto *reason = std::get_if<std::string>(&parsed)) {
        must(!reason->empty(), "what is refused has a reason", input);
        must(reader.read(error_event(*reason)).has_value(), "the refusal can be read", *reason);
    }
    const auto view = reader.read(event);
    if (!view) return 0;
    must(!view->type.empty(), "an event has a type", event);
    const auto *filter = std::get_if<Subscription>(&parsed);
    const auto passed = filter != nullptr ? filter->apply(*view) : std::nullopt;
    if (!passed) return 0;
    must(passed->size() <= event.size(), "a filter adds nothing", *passed);
    must(!filter->passes_all() || *passed == event, "the filter that passes all changes nothing", *passed);
    const auto again = reader.read(*passed);
    must(again.has_value(), "what passed can be read", *passed);
    must(filter->apply(*again) == passed, "what passed once passes whole", *passed);
    return 0;
}
