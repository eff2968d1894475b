// bleingest: read batches, store each one exactly once, say on standard output what was stored.
// The contract (options, guarantees, exit codes) is man/bleingest.1.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <list>
#include <optional>

#include "base/backoff.hpp"
#include "base/command_line.hpp"
#include "base/duration.hpp"
#include "base/event_writer.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/looking_reader.hpp"
#include "batch/reject_file.hpp"
#include "bleingest/devices.hpp"
#include "bleingest/expiry.hpp"
#include "store/intake.hpp"
#include "store/store.hpp"

using namespace ble;
using std::chrono::milliseconds;

namespace {

struct Options {
    CommonOptions common;
    std::vector<std::string> inputs;
    std::string db = default_state_path("ble.db");
    std::string reject = default_state_path("bleingest.rejected.ndjson");
    std::int64_t reject_max = 16 << 20, count = 0, most_advertisers = 10'000;
    milliseconds event_timeout{1000}, retain{0};
    bool hold = false, strict = false, clock_is_right = false;
};

void declare(Options &o, CommandLine &line) {
    line.words("FIFO|FILE", o.inputs,
               "what to read, one look at each in turn; - is standard input, the default");
    line.group("Input");
    line.flag("--hold", o.hold, "keep FIFOs open when their writers end: writers may come and go");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end after storing N batches; 0: never");
    line.flag("--strict", o.strict, "exit 65 at the end when anything was rejected or torn");
    line.group("Store");
    line.text("-d,--db PATH", o.db, "the SQLite database; :memory: to try things out");
    line.days("--retain", o.retain, "delete what was received longer ago: 90, 12h; 0: never");
    line.flag("--clock-is-right", o.clock_is_right,
              "an operator's word, for one start: let --retain believe the clock and all times of receipt");
    line.number("--max-advertisers-per-batch N", o.most_advertisers, 1, INT64_MAX,
                "set a batch aside that has more detections");
    line.text("--reject FILE", o.reject, "where lines go that are no valid batch");
    line.number("--reject-max BYTES", o.reject_max, 0, INT64_MAX, "how large that file may grow");
    line.group("Output");
    line.duration("--event-timeout", o.event_timeout,
                  "wait this long for a stalled reader of the events before dropping them; 0: for ever");
    line.epilogue(
        "Examples:\n"
        "  blesub --broker localhost | bleingest | blews\n"
        "  bleingest --db /tmp/try.db batches.ndjson > /dev/null\n"
        "  sqlite3 ble.db 'SELECT * FROM device_status'\n");
}

void validate(Options &o, const CommandLine &line) {
    if (const auto problem = why_no_store(o.db); !problem.empty())
        throw Error(line.on_command_line("--db") ? ExitCode::usage : ExitCode::config, "--db: " + problem);
    if (o.clock_is_right && o.retain.count() == 0)
        throw Error(ExitCode::usage, "--clock-is-right is about --retain, which is not given");
    if (o.inputs.empty()) o.inputs = {"-"};
    if (std::count(o.inputs.begin(), o.inputs.end(), "-") > 1)
        throw Error(ExitCode::usage, "- is given twice: there is one standard input");
}

struct Input {
    UniqueFd own;  // none for standard input
    LookingReader reader;
};

Input open_input(const std::string &word, bool hold) {
    if (word == "-") return {UniqueFd(), LookingReader(STDIN_FILENO, "standard input")};
    struct stat info {};
    const bool fifo = ::stat(word.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
    // A FIFO that we could write to as well never ends. Without that, O_NONBLOCK: a writer may come later.
    UniqueFd fd(::open(word.c_str(), (fifo && hold ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC));
    if (!fd) throw system_error("open " + word, errno == EACCES ? ExitCode::permission : ExitCode::io);
    LookingReader reader(fd.get(), word);
    return {std::move(fd), std::move(reader)};
}

class Ingest {
  public:
    explicit Ingest(const Options &options)
        : options_(options),
          lifecycle_(options.common, counters_, {}, [this](Exposition &to) { devices_.tell(to); }),
          reject_(options.reject, static_cast<std::uint64_t>(options.reject_max)),
          events_(STDOUT_FILENO, options.event_timeout, lifecycle_.fd(), [this] { return !stopping(); }),
          expiry_(options.retain, counters_),
          intake_(static_cast<std::size_t>(options.most_advertisers)) {
        counters_.queued = 0;
        counters_.conflicts = 0;
    }

    ExitCode run();

  private:
    bool stopping() {
        lifecycle_.handle();
        return lifecycle_.stopping();
    }
    bool full() const {
        return options_.count > 0 && stored_.batches >= static_cast<std::uint64_t>(options_.count);
    }
    std::string status() const;
    template <class Work>
    bool persist(Work work);
    void wait();
    bool step(Input &input);
    std::optional<std::size_t> take(LookingReader &reader, std::span<const Line> lines);
    void tell(const std::vector<std::string> &events);
    void warn_of(const std::vector<Twins> &twins);
    void warn_of(const std::vector<Conflict> &conflicts);
    ExitCode finish();

    const Options &options_;
    Counters counters_;
    Devices devices_{counters_};
    Lifecycle lifecycle_;
    RejectFile reject_;
    EventWriter events_;
    Expiry expiry_;
    std::unique_ptr<Store> store_;
    std::list<Input> inputs_;
    Intake intake_;
    Intake::Counts stored_;
    Backoff backoff_{milliseconds(50), milliseconds(5000)};
    Throttle trouble_said_, drops_said_, twins_said_, conflicts_said_;
    std::string trouble_;  // why the store takes nothing now
    std::chrono::steady_clock::time_point trouble_since_;
    bool more_ = false;      // a look showed more than one transaction takes
    bool unstored_ = false;  // stopped while the store could not take what was in hand
};

// Does the work, again and again while the store cannot take it. False: asked to stop meanwhile.
template <class Work>
bool Ingest::persist(Work work) {
    for (bool waited = false;; waited = true) {
        try {
            work();
            if (waited) log_info("the database takes batches again");
            trouble_.clear();
            trouble_said_.reset();
            backoff_.reset();
            return true;
        } catch (const StoreTrouble &trouble) {
            if (trouble_said_.due())
                log_warning(std::string(trouble.what()) + "; the input waits, nothing is lost, trying again");
            if (trouble_.empty()) trouble_since_ = std::chrono::steady_clock::now();
            trouble_ = trouble.what();
            lifecycle_.status(status());
        }
        if (!lifecycle_.pause(backoff_.next())) return false;
    }
}

// Until an input, a signal or the reader of the events asks for something.
void Ingest::wait() {
    std::vector<pollfd> asks{{lifecycle_.fd(), POLLIN, 0},
                             {STDOUT_FILENO, static_cast<short>(events_.pending() ? POLLOUT : 0), 0}};
    for (const auto &input : inputs_) asks.push_back({input.reader.event_fd(), POLLIN, 0});
    constexpr milliseconds look_again(100);
    const auto most = more_ ? milliseconds(0) : std::min(expiry_.due_in(), look_again);
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
    if (!intake_.items().empty() &&
        !persist([&] { result = store_->store(intake_.items(), read_clocks()); })) {
        unstored_ = true;
        return {};
    }
    reject_.add(intake_.rejected(result));
    const auto events = events_.heard() ? intake_.events(result) : std::vector<std::string>();
    const auto counts = intake_.counts(result);
    stored_.batches += counts.batches;
    stored_.detections += counts.detections;
    stored_.duplicates += counts.duplicates;
    stored_.conflicts += counts.conflicts;
    counters_.conflicts = stored_.conflicts;
    counters_.out += counts.batches;
    counters_.torn += intake_.torn();
    devices_.note(intake_.items(), result, std::time(nullptr));
    counters_.rejected = reject_.count();
    counters_.queued = 0;
    reader.consume(lines.size());
    if (events_.heard()) counters_.dropped += result.untold;
    tell(events);
    warn_of(result.twins);
    warn_of(result.conflicts);
    counters_.in += intake_.lines();
    return lines.size();
}

// Several events at once, as far as an ordinary pipe takes them: the reader is woken once for each write.
void Ingest::tell(const std::vector<std::string> &events) {
    constexpr std::size_t enough = 48 * 1024;
    std::string block;
    for (std::size_t i = 0; i < events.size() && !events_.gone();) {
        const auto first = i;
        block = events[i++];
        while (i < events.size() && block.size() + events[i].size() < enough)
            block.append(1, '\n').append(events[i++]);
        if (events_.line(block) || events_.gone()) continue;
        counters_.dropped += i - first;
        if (drops_said_.due())
            log_warning("the reader of the events does not keep up: events are dropped, batches are not");
    }
}

void Ingest::warn_of(const std::vector<Twins> &twins) {
    if (twins.empty() || !twins_said_.due()) return;
    const auto &[device_id, run_ids, noticed_at] = twins.front();
    log_warning(
        "two at once are called " + printable(device_id) + " (run_id " + printable(run_ids[0]) + " and " +
        printable(run_ids[1]) +
        "), as when a card was copied: give each Pi a --device-id of its own. Until then neither can be seen "
        "to fail; the view device_status shows whom it concerns");
}

void Ingest::warn_of(const std::vector<Conflict> &conflicts) {
    if (conflicts.empty() || !conflicts_said_.due()) return;
    const auto &[device_id, position, stored_sender, sender] = conflicts.front();
    const auto by = [](const std::string &name) { return name.empty() ? "somebody" : printable(name); };
    log_warning("two batches are called " + printable(device_id) + ", run_id " + printable(position.run_id) +
                ", seq " + std::to_string(position.seq) + ": the one from " + by(stored_sender) +
                " is stored, the other, from " + by(sender) +
                ", is set aside. No honest Pi makes two: somebody else writes in its name. The view "
                "device_status counts conflicts for each Pi (" +
                std::to_string(stored_.conflicts) + " since the start)");
}

std::string Ingest::status() const {
    if (!trouble_.empty()) {
        const auto since = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - trouble_since_);
        return "waiting: " + trouble_ + ", for " + in_seconds(since) +
               "; the input waits too, nothing is lost";
    }
    std::string text =
        "storing into " + options_.db + "; " + std::to_string(stored_.batches) + " batches stored";
    if (reject_.count() > 0) text += ", " + std::to_string(reject_.count()) + " lines set aside";
    return text;
}

ExitCode Ingest::run() {
    // Past a limit on file sizes the signal would kill; without it the write fails, as on a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    for (const auto &word : options_.inputs) inputs_.push_back(open_input(word, options_.hold));
    if (!persist([&] { store_ = make_store(options_.db); })) return ExitCode::temporary;
    if (options_.clock_is_right && !persist([&] { store_->trust_times(read_clocks()); }))
        return ExitCode::temporary;
    lifecycle_.ready("storing into " + options_.db);
    lifecycle_.on_status([this] { return status(); });
    while (!inputs_.empty() && !stopping() && !full() && !events_.gone()) {
        wait();
        for (auto input = inputs_.begin(); input != inputs_.end() && !full() && !lifecycle_.stopping();)
            input = step(*input) ? std::next(input) : inputs_.erase(input);
        expiry_.step(*store_);
    }
    return finish();
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

ExitCode run(const Options &options) {
    return Ingest(options).run();
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<Options>(
        argc, argv, "bleingest",
        "Store batches of BLE detections, each exactly once; print what was stored as events.", declare,
        validate, run);
}
