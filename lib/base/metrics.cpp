#include "base/counters.hpp"
#include "base/version.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Kind = Exposition::Kind;

struct Known {
    const Counters &counters;
    const Moments &moments;
};

// A metric of one sample, left out while it has none. `seconds`: the value is in milliseconds, which Prometheus does not want.
struct Row {
    const char *name;
    Kind kind;
    const char *help;
    std::optional<std::uint64_t> (*value)(const Known &);
    bool seconds = false;
};

std::optional<std::uint64_t> count_of(const std::optional<milliseconds> &time) {
    if (!time) return std::nullopt;
    return static_cast<std::uint64_t>(time->count());
}

std::optional<std::uint64_t> when(std::time_t moment) {
    if (moment <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(moment);
}

template <std::atomic<std::uint64_t> Counters::*count>
std::optional<std::uint64_t> counted(const Known &known) {
    return (known.counters.*count).load();
}

template <Reading Counters::*reading>
std::optional<std::uint64_t> read(const Known &known) {
    return (known.counters.*reading).get();
}

constexpr Row rows[] = {
    {"in_total", Kind::counter, "Batches, messages or reports taken in.", counted<&Counters::in>},
    {"out_total", Kind::counter, "Handed on for good: delivered, stored, written.", counted<&Counters::out>},
    {"dropped_total", Kind::counter, "Lost knowingly.", counted<&Counters::dropped>},
    {"rejected_total", Kind::counter, "Set aside as not valid.", counted<&Counters::rejected>},
    {"torn_total", Kind::counter, "Unterminated tails of lines.", counted<&Counters::torn>},
    {"queued", Kind::gauge, "Waiting now.", read<&Counters::queued>},
    {"oldest_seconds", Kind::gauge, "Age of the oldest that waits; 0 when none does.",
     read<&Counters::oldest_ms>, true},
    {"capacity", Kind::gauge, "How many can wait.", read<&Counters::capacity>},
    {"connected", Kind::gauge, "Is there a connection to the broker or server?", read<&Counters::connected>},
    {"expired_total", Kind::counter,
     "Batches deleted because they were old; by blesend: before they were delivered, so they are lost.",
     read<&Counters::expired>},
    {"conflicts_total", Kind::counter, "Other contents under a name that is known.",
     read<&Counters::conflicts>},
    {"collisions_total", Kind::counter, "Transactions that were done again since another was in the way.",
     read<&Counters::collisions>},
    {"blank_total", Kind::counter, "Reports without data, of addresses never heard before.",
     read<&Counters::blank>},
    {"clock_synchronised", Kind::gauge, "Does the kernel say that this machine's clock is synchronised?",
     read<&Counters::clock_synchronised>},
    {"radio_silence_seconds", Kind::gauge, "Since the radio last heard an advertisement, or the scan began.",
     [](const Known &known) { return count_of(known.counters.radio_silence()); }, true},
    {"newest_window_timestamp_seconds", Kind::gauge,
     "End of the scan window of the batch that was handed on last, by the clock of its Pi.",
     [](const Known &known) { return count_of(known.counters.newest_window()); }, true},
    {"last_out_timestamp_seconds", Kind::gauge, "When something was last seen to be handed on for good.",
     [](const Known &known) { return when(known.moments.last_out); }},
    {"start_timestamp_seconds", Kind::gauge, "When the program was started.",
     [](const Known &known) { return when(known.moments.started); }},
};

}  // namespace

void tell_metrics(const Counters &counters, const Moments &moments, Exposition &to) {
    const Known known{counters, moments};
    for (const auto &row : rows) {
        const auto value = row.value(known);
        if (!value) continue;
        to.metric(row.name, row.kind, row.help);
        if (row.seconds)
            to.seconds(milliseconds(*value));
        else
            to.sample(*value);
    }
    if (!counters.hidden.empty())
        to.metric("hidden_total", Kind::counter, "Reports hidden on request, and by what.");
    for (const auto &[by, reports] : counters.hidden) to.sample(reports, {{"by", by}});
    to.metric("build_info", Kind::gauge, "The version of the program; always 1.");
    to.sample(1, {{"version", program_version}});
}

}  // namespace ble
