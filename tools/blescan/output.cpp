#include "blescan/output.hpp"

#include <unistd.h>

#include "base/digest.hpp"
#include "base/duration.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/look.hpp"
#include "base/version.hpp"
#include "batch/batch_table.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/address_hasher.hpp"
#include "radio/window/printer.hpp"
#include "radio/window/reducer.hpp"

namespace ble {

namespace {

WindowOptions window_options(const ScanOptions &o) {
    WindowOptions window;
    window.window = o.window;
    window.pause = o.interval;
    window.near_dbm = static_cast<int>(o.near_dbm);
    window.medium_dbm = static_cast<int>(o.medium_dbm);
    window.min_rssi_dbm = static_cast<int>(o.min_rssi_dbm);
    window.profile = o.profile;
    window.filter = o.rules.filter;
    window.counts = o.counts;
    window.count = static_cast<std::uint64_t>(o.count);
    // The loop of a live scan turns once a second: after more it was stopped, or the clock was set.
    window.longest_silence =
        o.live() ? std::chrono::milliseconds(10'000) : std::max(window.longest_silence, window.window);
    return window;
}

// What every batch of this run has in common.
Batch batch_of_run(const ScanOptions &o) {
    Batch batch;
    batch.device_id = o.device_id;
    if (!o.name.empty()) batch.name = o.name;
    if (!o.location.empty()) batch.location = o.location;
    batch.version = program_version;
    batch.position = RunPosition{random_id(), 0};
    return batch;
}

// Of standard output, when people shall read it.
std::optional<Look> look_for(const ScanOptions &o) {
    return o.format == "table" ? std::optional(look_of(STDOUT_FILENO)) : std::nullopt;
}

std::optional<ReportRowLook> rows_for(const ScanOptions &o) {
    const auto look = look_for(o);
    if (!look) return {};
    return ReportRowLook{*look, static_cast<int>(o.near_dbm), static_cast<int>(o.medium_dbm),
                         o.profile.names};
}

void say(std::uint64_t count, const std::string &what) {
    if (count > 0) log_info(std::to_string(count) + what);
}

void say_hidden(const Counters &counters) {
    for (const auto &[by, reports] : counters.hidden) say(reports, " reports hidden by " + by);
}

void tell_default_id(const DefaultDeviceId &made) {
    if (made.shared)
        log_warning("device_id is " + made.id +
                    ", the host name, which many machines have, and this machine has no id in "
                    "/etc/machine-id: give it a --device-id");
    else
        log_info("device_id is " + made.id + ", of " + made.made_of);
}

// Says of each report whose it is on its way to `next`, where any identity is known.
class Identification {
  public:
    Identification(std::shared_ptr<IdentityResolver> known, ReportSink &next)
        : known_(std::move(known)), next_(next) {
        if (known_) resolving_.emplace(*known_, next_);
    }

    ReportSink &sink() { return resolving_ ? *resolving_ : next_; }
    void renew(const std::shared_ptr<IdentityResolver> &known) {
        if (!resolving_) return;
        resolving_->renew(*known);
        known_ = known;
    }

  private:
    std::shared_ptr<IdentityResolver> known_;
    ReportSink &next_;
    std::optional<ResolvingSink> resolving_;
};

class BatchOutput : public Output {
  public:
    BatchOutput(const ScanOptions &options, LineWriter &writer, Counters &counters)
        : writer_(writer),
          counters_(counters),
          epoch_(std::chrono::duration_cast<std::chrono::seconds>(options.hash_epoch)),
          hasher_(options.rules.key, epoch_),
          run_(batch_of_run(options)),
          machine_clock_(options.live() || options.now),
          look_(look_for(options)),
          windows_(window_options(options), hasher_, [this](Batch &batch) { print(batch); }),
          identification_(options.rules.identities, windows_) {
        if (!options.rules.key && !options.counts && options.live())
            log_warning(
                "addresses are hashed without a key: anybody can find an address by trying all addresses; "
                "give a key with --hash-key");
        if (options.default_id) tell_default_id(*options.default_id);
    }

    ReportSink &sink() override { return identification_.sink(); }
    void renew(const Rules &rules) override {
        windows_.at_next_window([this, rules] {
            hasher_ = AddressHasher(rules.key, epoch_);
            windows_.judge_by(rules.filter);
            identification_.renew(rules.identities);
        });
    }

    void say_left_out() const override {
        const auto &left_out = windows_.left_out();
        say(left_out.weak, " reports hidden by --min-rssi");
        say_hidden(counters_);
        say(left_out.paused, " reports came in the pauses between windows (--interval)");
        say(left_out.anonymous, " reports of anonymous advertisers left out");
        say(left_out.without_rssi, " reports of advertisers without RSSI left out");
        say_rested();
    }

  private:
    void say_rested() const {
        const auto rested = std::chrono::floor<std::chrono::milliseconds>(windows_.rested());
        if (rested.count() > 0)
            log_info("for " + in_seconds(rested) +
                     " of the windows the radio did not scan; window_ms does not count this time");
    }

    void print(Batch &batch) {
        const auto &hidden = windows_.left_out().hidden;
        for (std::size_t i = 0; i < hidden.size(); ++i) counters_.hidden[i].reports = hidden[i];
        // The backend knows one hash_id of each run.
        if (run_.hash_id && run_.hash_id != batch.hash_id) run_.position = RunPosition{random_id(), 0};
        run_.hash_id = batch.hash_id;
        run_.timestamp = batch.timestamp;
        run_.window_ms = batch.window_ms;
        run_.interval_ms = batch.interval_ms;
        run_.occupancy = batch.occupancy;
        // Of a capture's own clock nothing is known.
        if (machine_clock_) run_.clock_synced = clock_synced();
        run_.detections = std::move(batch.detections);
        writer_.line(look_ ? print_batch_table(run_, *look_) : print_batch(run_));
        writer_.flush();
        ++run_.position->seq;
        ++counters_.out;
        counters_.note_window(run_.timestamp);
    }

    LineWriter &writer_;
    Counters &counters_;
    std::chrono::seconds epoch_;
    AddressHasher hasher_;
    Batch run_;
    bool machine_clock_;
    std::optional<Look> look_;  // --format table
    WindowReducer windows_;
    Identification identification_;
};

class ReportOutput : public Output {
  public:
    ReportOutput(const ScanOptions &options, LineWriter &writer, Counters &counters)
        : counters_(counters),
          printer_(writer, counters,
                   {static_cast<int>(options.min_rssi_dbm), options.rules.filter, options.profile.names,
                    static_cast<std::uint64_t>(options.count), rows_for(options)}),
          identification_(options.rules.identities, printer_) {}

    ReportSink &sink() override { return identification_.sink(); }
    void renew(const Rules &rules) override {
        printer_.judge_by(rules.filter);
        identification_.renew(rules.identities);
    }
    void say_left_out() const override {
        say(printer_.weak(), " reports hidden by --min-rssi");
        say_hidden(counters_);
    }

  private:
    Counters &counters_;
    ReportPrinter printer_;
    Identification identification_;
};

}  // namespace

std::unique_ptr<Output> make_output(const ScanOptions &options, LineWriter &writer, Counters &counters,
                                    Lifecycle &life) {
    for (const auto &reason : options.rules.filter.reasons()) counters.hidden.emplace_back().by = reason;
    std::unique_ptr<Output> output;
    if (options.each)
        output = std::make_unique<ReportOutput>(options, writer, counters);
    else
        output = std::make_unique<BatchOutput>(options, writer, counters);
    if (any_file(options))
        life.on_reload([&options, rules = options.rules, to = output.get()]() mutable {
            read_rules_again(options, rules);
            to->renew(rules);
        });
    return output;
}

}  // namespace ble
