#include "bleingest/ingest.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/timestamp.hpp"

namespace ble {

using std::chrono::milliseconds;

namespace {

Keep keep_of(const IngestOptions &options) {
    const auto seconds_of = [](milliseconds time) { return std::chrono::ceil<std::chrono::seconds>(time); };
    if (options.retain_rollups.count() == 0) return {seconds_of(options.retain), std::nullopt};
    return {seconds_of(options.retain), seconds_of(options.retain_rollups)};
}

}  // namespace

Ingest::Ingest(const IngestOptions &options)
    : options_(options),
      lifecycle_(options.common, counters_, {}, [this](Exposition &to) { devices_.tell(to); }),
      reject_(options.reject, static_cast<std::uint64_t>(options.reject_max)),
      events_(STDOUT_FILENO, options.event_timeout, lifecycle_.fd(), [this] { return !stopping(); }),
      expiry_(keep_of(options), counters_),
      intake_(static_cast<std::size_t>(options.most_advertisers),
              options.import ? BatchParser::Takes::archives : BatchParser::Takes::lines) {
    counters_.queued = 0;
    counters_.conflicts = 0;
}

bool Ingest::stopping() {
    lifecycle_.handle();
    return lifecycle_.stopping();
}

// The store bounds how long it waits; so the watchdog, which may be shorter than a statement that goes through all rows, need not.
bool Ingest::wait_for_store() {
    lifecycle_.progress();
    return !stopping();
}

bool Ingest::full() const {
    return options_.count > 0 && stored_.batches >= static_cast<std::uint64_t>(options_.count);
}

ExitCode Ingest::run() {
    // Past a limit on file sizes the signal would kill; without it the write fails, as on a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    const auto longest = max_line + sender_room + (options_.import ? archive_room : 0);
    if (options_.rebuild_rollups) return rebuild();
    for (const auto &word : options_.inputs) inputs_.push_back(open_input(word, options_.hold, longest));
    if (!patience_.persist([&] { store_ = make_store(options_.db, [this] { return wait_for_store(); }); }))
        return ExitCode::temporary;
    if (options_.clock_is_right && !patience_.persist([&] { store_->trust_times(read_clocks()); }))
        return ExitCode::temporary;
    lifecycle_.ready("storing into " + options_.db);
    lifecycle_.on_status([this] { return status(); });
    while (!inputs_.empty() && !stopping() && !full() && !events_.gone()) {
        wait();
        idle_ = true;
        for (auto input = inputs_.begin(); input != inputs_.end() && !full() && !lifecycle_.stopping();)
            input = step(*input) ? std::next(input) : inputs_.erase(input);
        expiry_.step(*store_);
        rolling_.step(*store_, idle_);
    }
    if (!unstored_ && !events_.gone()) rolling_.catch_up(*store_, [this] { return wait_for_store(); });
    return finish();
}

// A day at a time, in the order of days. What is done is right, wherever it ends.
ExitCode Ingest::rebuild() {
    if (!patience_.persist([&] { store_ = make_store(options_.db, [this] { return wait_for_store(); }); }))
        return ExitCode::temporary;
    lifecycle_.ready("making the rollups in " + options_.db + " anew");
    std::uint64_t made = 0, kept = 0;
    for (std::int64_t next = 0; !stopping();) {
        RebuiltRollups done;
        if (!patience_.persist([&] { done = store_->rebuild_rollups(next); })) return ExitCode::temporary;
        lifecycle_.progress();
        if (!done.day) {
            rolling_.catch_up(*store_, [this] { return wait_for_store(); });
            log_info("the rollups of " + std::to_string(made) + " days were made anew; " +
                     std::to_string(kept) + " days stay as they are, since some of their details are gone");
            return stopping() ? ExitCode::temporary : ExitCode::ok;
        }
        ++(done.kept ? kept : made);
        next = *done.day + 1;
        const Time day(std::chrono::hours(24) * *done.day);
        log_info("rollups of " + format_ms(day).substr(0, 10) + (done.kept ? ": kept" : ": made anew"));
    }
    log_warning("stopped before all days were done: start it again, it begins with the first one");
    return ExitCode::temporary;
}

// Until an input, a signal or the reader of the events asks for something.
void Ingest::wait() {
    std::vector<pollfd> asks{{lifecycle_.fd(), POLLIN, 0},
                             {STDOUT_FILENO, static_cast<short>(events_.pending() ? POLLOUT : 0), 0}};
    for (const auto &input : inputs_) asks.push_back({input.reader.event_fd(), POLLIN, 0});
    constexpr milliseconds look_again(100);
    const auto most = more_ ? milliseconds(0) : std::min({expiry_.due_in(), rolling_.due_in(), look_again});
    more_ = false;
    ::poll(asks.data(), asks.size(), static_cast<int>(most.count()));
    lifecycle_.progress();
    if (events_.pending() || (asks[1].revents & (POLLERR | POLLHUP)) != 0) events_.pump();
}

// One look. False: the input has ended.
bool Ingest::step(Input &input) {
    std::span<const Line> lines(input.reader.look());
    const auto seen = lines.size();
    if (options_.count > 0)
        lines = lines.first(static_cast<std::size_t>(
            std::min<std::uint64_t>(seen, static_cast<std::uint64_t>(options_.count) - stored_.batches)));
    std::size_t taken = 0;
    if (!lines.empty()) {
        const auto stored = take(input.reader, lines);
        if (!stored) return true;
        taken = *stored;
        more_ = more_ || taken < lines.size();
    }
    return !(input.reader.ended() && taken == seen);
}

// Stores lines, as many as one transaction takes, then consumes them; how many. None: asked to stop before they could be stored.
std::optional<std::size_t> Ingest::take(LookingReader &reader, std::span<const Line> lines) {
    lines = lines.first(intake_.read(lines));
    StoreResult result;
    counters_.queued = lines.size();
    idle_ = false;
    if (!intake_.items().empty() &&
        !patience_.persist([&] { result = store_->store(intake_.items(), read_clocks()); })) {
        unstored_ = true;
        return {};
    }
    reject_.add(intake_.rejected(result));
    const auto events = events_.heard() ? intake_.events(result) : std::vector<std::string>();
    const auto counts = intake_.counts(result);
    stored_ += counts;
    rolling_.stored(std::max(counts.detections, counts.batches));
    if (result.collisions > 0) counters_.collisions += result.collisions;
    devices_.note(intake_.items(), result, std::time(nullptr));
    count();
    reader.consume(lines.size());
    if (events_.heard()) counters_.dropped += result.untold;
    teller_.write(events);
    teller_.warn_of(result.twins);
    teller_.warn_of(result.conflicts);
    counters_.in += intake_.lines();
    return lines.size();
}

void Ingest::count() {
    counters_.out = stored_.batches;
    counters_.conflicts = stored_.conflicts;
    counters_.torn += intake_.torn();
    counters_.rejected = reject_.count();
    counters_.queued = 0;
}

std::string Ingest::status() const {
    if (auto waiting = patience_.status(); !waiting.empty()) return waiting;
    std::string text =
        "storing into " + options_.db + "; " + std::to_string(stored_.batches) + " batches stored";
    if (reject_.count() > 0) text += ", " + std::to_string(reject_.count()) + " lines set aside";
    return text;
}

ExitCode Ingest::finish() {
    const bool begun = events_.pending();
    if (begun && !events_.finish() && !events_.gone())
        log_warning("the last event was cut short: its reader stalls");
    log_info("stored " + std::to_string(stored_.batches) + " batches with " +
             std::to_string(stored_.detections) + " detections; " + std::to_string(stored_.duplicates) +
             " were known already, " + std::to_string(stored_.conflicts) + " in conflict, " +
             std::to_string(reject_.count()) + " rejected, " + std::to_string(counters_.torn) + " torn, " +
             std::to_string(counters_.dropped) + " events dropped");
    if (events_.gone()) {
        log_error(events_.why());
        return ExitCode::io;
    }
    if (unstored_) return ExitCode::temporary;
    if (options_.strict && reject_.count() + counters_.torn > 0) return ExitCode::data;
    const bool cut_short = inputs_.empty() || lifecycle_.ran_out();
    return options_.count > 0 && !full() && cut_short ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace ble
