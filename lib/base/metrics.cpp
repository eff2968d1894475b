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
    {"out_total", Kind::counter, "Delivered, stored or written.", counted<&Counters::out>},
    {"dropped_total", Kind::counter, "Dropped, and so lost.", counted<&Counters::dropped>},
    {"rejected_total", Kind::counter, "Rejected as not valid.", counted<&Counters::rejected>},
    {"torn_total", Kind::counter, "Lines that were cut off at the end of an input.",
     counted<&Counters::torn>},
    {"queued", Kind::gauge, "Items that wait now.", read<&Counters::queued>},
    {"oldest_seconds", Kind::gauge, "Age of the oldest item that waits; 0 when nothing waits.",
     read<&Counters::oldest_ms>, true},
    {"capacity", Kind::gauge, "Items that can wait at most.", read<&Counters::capacity>},
    {"connected", Kind::gauge, "Is there a connection to the broker or server?", read<&Counters::connected>},
    {"expired_total", Kind::counter,
     "Batches deleted because they were too old. In blesend they were not delivered, so they are lost.",
     read<&Counters::expired>},
    {"conflicts_total", Kind::counter, "Batches with the identity of a stored batch and other contents.",
     read<&Counters::conflicts>},
    {"collisions_total", Kind::counter, "Transactions that were repeated because another one was in the way.",
     read<&Counters::collisions>},
    {"blank_total", Kind::counter, "Reports without data from addresses never heard before.",
     read<&Counters::blank>},
    {"clock_synchronised", Kind::gauge, "Does the kernel say that this machine's clock is synchronised?",
     read<&Counters::clock_synchronised>},
    {"radio_silence_seconds", Kind::gauge,
     "Time since the radio last heard an advertisement, or since the scan began.",
     [](const Known &known) { return count_of(known.counters.radio_silence()); }, true},
    {"newest_window_timestamp_seconds", Kind::gauge,
     "End of the scan window of the last batch that was delivered, stored or written, by the clock of its "
     "Pi.",
     [](const Known &known) { return count_of(known.counters.newest_window()); }, true},
    {"last_out_timestamp_seconds", Kind::gauge, "When something was last delivered, stored or written.",
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
        to.metric("hidden_total", Kind::counter, "Reports hidden by an option; the label says which.");
    for (const auto &[by, reports] : counters.hidden) to.sample(reports, {{"by", by}});
    to.metric("build_info", Kind::gauge, "The version of the program; always 1.");
    to.sample(1, {{"version", program_version}});
}

}  // namespace ble
