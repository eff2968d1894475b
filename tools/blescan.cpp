// blescan: turn what a radio heard into batches, one a scan window; here from a recorded capture.
// The contract (options, guarantees, exit codes) is man/blescan.1.
#include <unistd.h>

#include <algorithm>

#include "base/command_line.hpp"
#include "base/digest.hpp"
#include "base/file.hpp"
#include "base/line_writer.hpp"
#include "base/log.hpp"
#include "radio/replay.hpp"
#include "radio/report_printer.hpp"
#include "radio/scanner.hpp"
#include "radio/waiter.hpp"
#include "radio/window.hpp"

using namespace ble;
using std::chrono::milliseconds;

namespace {

struct Options {
    CommonOptions common;
    std::string replay, speed = "max", hash_key, hash;
    std::string device_id, name, location;
    milliseconds window{10'000}, interval{30'000};
    std::int64_t near_dbm = -60, medium_dbm = -75, min_rssi_dbm = -127, count = 0;
    bool now = false, each = false, strict = false;
    ProfileOptions profile;
    double speed_factor = 0;
    std::optional<std::string> key;
};

void declare(Options &o, CommandLine &line) {
    line.group("Capture");
    line.text("--replay FILE", o.replay, "read a capture: btsnoop, pcap or pcapng; - is standard input");
    line.text("--speed N", o.speed, "pace: 1 as recorded, 10 ten times as fast, max without waiting");
    line.flag("--now", o.now, "shift the times so that the capture ends when its replay does");
    line.flag("--strict", o.strict, "exit 65 when the capture is cut short or damaged");
    line.group("Output");
    line.flag("--each", o.each, "print every advertising report instead of batches");
    line.flag("--detail", o.profile.detail, "add what advertisers say: services, beacons, TX power …");
    line.flag("--addresses", o.profile.addresses, "add addresses (personal data)");
    line.flag("--names", o.profile.names, "add local names (personal data)");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end after N lines; 0: no limit");
    line.text("--hash ADDRESS", o.hash, "print the device_hash of ADDRESS, and end", "-");
    line.group("This scanner");
    line.text("--device-id ID", o.device_id, "3 to 50 characters; else from the host name", "DEVICE_ID");
    line.text("--name TEXT", o.name, "name, for people", "DEVICE_NAME");
    line.text("--location TEXT", o.location, "where it is, for people", "DEVICE_LOCATION");
    line.text("--hash-key FILE", o.hash_key, "hash addresses with the key in FILE", "BLEPIPE_HASH_KEY_FILE");
    line.group("Scan windows");
    line.duration("--window SECONDS", o.window, "length of a window", "SCAN_DURATION");
    line.duration("--interval SECONDS", o.interval, "pause between windows; in a replay 0 unless set",
                  "SCAN_INTERVAL");
    line.number("--near DBM", o.near_dbm, -127, 20, "zone near: this strong or stronger", "NEAR_THRESHOLD");
    line.number("--medium DBM", o.medium_dbm, -127, 20, "zone medium: this strong or stronger",
                "MEDIUM_THRESHOLD");
    line.number("--min-rssi DBM", o.min_rssi_dbm, -127, 20, "hide weaker reports");
    line.epilogue(
        "Try:  blescan --replay examples/sample.btsnoop | jq\n"
        "      blescan --replay FILE --each | head\n"
        "      blescan --replay FILE --speed 1 --now | blesend --broker HOST");
}

// The code for a wrong value, by where it came from.
ExitCode wrong(const CommandLine &line, const std::string &option) {
    return line.on_command_line(option) ? ExitCode::usage : ExitCode::config;
}

void check_text(const std::string &value, const CommandLine &line, const std::string &option,
                std::size_t least, std::size_t most) {
    if (is_text(value, least, most)) return;
    throw Error(wrong(line, option), option + " " + printable(value) + ": " + std::to_string(least) + " to " +
                                         std::to_string(most) + " characters of UTF-8 are wanted");
}

void validate(Options &o, const CommandLine &line) {
    constexpr std::size_t short_key = 16;
    o.key = find_secret(o.hash_key, "BLEPIPE_HASH_KEY");
    if (o.key && o.key->size() < short_key)
        log_warning(
            "the hash key is shorter than 16 bytes and can be guessed; make one with: openssl rand -hex 32");
    if (!o.hash.empty()) {
        if (!parse_address(o.hash))
            throw Error(ExitCode::usage,
                        "--hash " + printable(o.hash) + ": an address is wanted, as in c4:f7:c1:4c:c1:c0");
        return;
    }
    const auto factor = parse_speed(o.speed);
    if (!factor)
        throw Error(wrong(line, "--speed"),
                    "--speed " + printable(o.speed) + ": max, or a number from 0.001 to 1000000 is wanted");
    o.speed_factor = *factor;
    if (!line.given("--interval") && !o.replay.empty()) o.interval = milliseconds(0);
    constexpr milliseconds least_window(100), most_window(7 * 86'400'000);
    if (o.window < least_window || o.window > most_window)
        throw Error(wrong(line, "--window"), "--window: 100 milliseconds to 7 days are wanted");
    if (o.interval > most_window)
        throw Error(wrong(line, "--interval"), "--interval: at most 7 days are wanted");
    if (o.near_dbm < o.medium_dbm)
        throw Error(wrong(line, line.on_command_line("--near") ? "--near" : "--medium"),
                    "--near must not be below --medium");
    if (o.device_id.empty()) o.device_id = default_device_id();
    if (!o.each) check_text(o.device_id, line, "--device-id", 3, 50);
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(o.device_id.begin(), o.device_id.end(), control))
        throw Error(wrong(line, "--device-id"),
                    "--device-id " + printable(o.device_id) + ": no control character may be in it");
    check_text(o.name, line, "--name", 0, 255);
    check_text(o.location, line, "--location", 0, 255);
}

WindowOptions window_options(const Options &o) {
    WindowOptions window;
    window.window = o.window;
    window.pause = o.interval;
    window.near_dbm = static_cast<int>(o.near_dbm);
    window.medium_dbm = static_cast<int>(o.medium_dbm);
    window.min_rssi_dbm = static_cast<int>(o.min_rssi_dbm);
    window.profile = o.profile;
    window.count = static_cast<std::uint64_t>(o.count);
    return window;
}

// What every batch of this run has in common.
Batch batch_of_run(const Options &o, const AddressHasher &hasher) {
    Batch batch;
    batch.device_id = o.device_id;
    if (!o.name.empty()) batch.name = o.name;
    if (!o.location.empty()) batch.location = o.location;
    batch.position = RunPosition{random_id(), 0};
    batch.hash_id = hasher.id();
    if (o.now) batch.clock_synced = clock_synced();  // else the capture's clock, of which nothing is known
    return batch;
}

void say(std::uint64_t count, const char *what) {
    if (count > 0) log_info(std::to_string(count) + what);
}

void print_batches(const Options &o, Replay &replay, LineWriter &writer, Counters &counters) {
    const AddressHasher hasher(o.key);
    if (!o.key) log_warning("addresses are hashed without a key, which anybody can reverse; see --hash-key");
    Batch run = batch_of_run(o, hasher);
    WindowReducer windows(window_options(o), hasher, [&](Batch &batch) {
        run.timestamp = batch.timestamp;
        run.window_ms = batch.window_ms;
        run.interval_ms = batch.interval_ms;
        run.detections = std::move(batch.detections);
        writer.line(print_batch(run));
        writer.flush();
        ++run.position->seq;
        ++counters.out;
    });
    replay.run(windows);
    const auto &left_out = windows.left_out();
    say(left_out.weak, " reports hidden by --min-rssi");
    say(left_out.paused, " reports came in the pauses between windows (--interval)");
    say(left_out.anonymous, " reports of anonymous advertisers left out");
    say(left_out.without_rssi, " reports of advertisers without RSSI left out");
}

void print_reports(const Options &o, Replay &replay, LineWriter &writer, Counters &counters) {
    ReportPrinter printer(writer, counters, static_cast<int>(o.min_rssi_dbm),
                          static_cast<std::uint64_t>(o.count));
    replay.run(printer);
    say(printer.left_out(), " reports hidden by --min-rssi");
}

ExitCode outcome(const Options &o, const Replay &replay, const Counters &counters, const Lifecycle &life) {
    if (counters.rejected > 0)
        log_warning(std::to_string(counters.rejected) +
                    " malformed events; what could be read of them was used");
    if (!replay.problem().empty()) {
        if (o.strict) throw Error(ExitCode::data, replay.problem());
        log_warning(replay.problem() + "; all before that was used");
    }
    if (o.strict && counters.rejected > 0) return ExitCode::data;
    const bool asked_to_stop = life.stopping() && !life.ran_out();
    if (asked_to_stop || counters.out >= static_cast<std::uint64_t>(o.count)) return ExitCode::ok;
    log_warning("ended after " + std::to_string(counters.out) + " of " + std::to_string(o.count) + " lines");
    return ExitCode::temporary;
}

ExitCode run(const Options &o) {
    if (!o.hash.empty()) {
        LineWriter answer(STDOUT_FILENO);
        answer.line(AddressHasher(o.key).hash(*parse_address(o.hash)));
        answer.flush();
        return ExitCode::ok;
    }
    if (o.replay.empty())
        throw Error(ExitCode::unavailable,
                    "this version reads captures only, not yet a radio: blescan --replay FILE "
                    "(record one with: btmon -w FILE)");
    Counters counters;
    Lifecycle life(o.common, counters);
    LineWriter writer(STDOUT_FILENO, life.fd(), [&life] {
        life.handle();
        life.progress();  // a reader that stalls is no fault that a restart would mend
        return life.stopping();
    });
    Waiter waiter(life, writer);
    Replay replay({o.replay, o.speed_factor, o.now}, counters,
                  [&](int fd, auto until) { return waiter.wait(fd, until, replay.fraction()); });
    life.ready("replaying " + replay.name());
    (o.each ? print_reports : print_batches)(o, replay, writer, counters);
    writer.flush();
    return outcome(o, replay, counters, life);
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<Options>(argc, argv, "blescan", "turn what a radio heard into batches, one a scan window",
                             declare, validate, run);
}
