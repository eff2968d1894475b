#include "blescan/live_run.hpp"

#include "base/duration.hpp"
#include "base/log.hpp"
#include "blescan/output.hpp"
#include "radio/bluez/live_scan.hpp"
#include "radio/bluez/monitor_source.hpp"
#include "radio/bluez/scanner.hpp"

namespace ble {

namespace {

std::string seconds_text(std::chrono::milliseconds time) {
    auto text = std::to_string(std::chrono::duration<double>(time).count());
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text + " s";
}

std::string status(const std::string &adapters, const Counters &counters) {
    const std::string text =
        (adapters.empty() ? "waiting for an adapter that scans" : "scanning " + adapters) + "; " +
        std::to_string(counters.out) + " lines written";
    const auto silence = counters.radio_silence();
    const bool silent = silence && *silence >= std::chrono::minutes(1);
    return silent ? text + "; nothing heard for " + in_seconds(*silence) : text;
}

}  // namespace

ExitCode run_live(const ScanOptions &options, Counters &counters, Lifecycle &life, LineWriter &writer) {
    const auto output = make_output(options, writer, counters, life);
    life.reads_no_input("reports come from a radio; use --replay - to read a capture from standard input");
    const std::string expect = options.each ? "" : ", first batch in " + seconds_text(options.window);
    const bool monitor = options.source == "monitor";
    BluezScanner bluez({options.adapters, options.watchdog, !monitor, options.passive}, counters,
                       [&](const std::string &adapter) {
                           log_info("scanning " + adapter + (counters.out == 0 ? expect : ""));
                           life.ready("scanning " + adapter);
                           life.on_status([&] { return status(bluez.scanning(), counters); });
                       });
    bool recorded = true;
    if (monitor) {
        MonitorSource packets(options.record, bluez, output->sink(), counters);
        LiveSource *const sources[] = {&bluez, &packets};
        scan_live(sources, packets.clock(), life, writer);
        recorded = !packets.recording_failed();
    } else {
        LiveSource *const sources[] = {&bluez};
        scan_live(sources, output->sink(), life, writer);
    }
    writer.flush();
    life.on_status({});
    output->say_left_out();
    if (!recorded) return ExitCode::io;
    const bool reached = options.count > 0 && counters.out >= static_cast<std::uint64_t>(options.count);
    if (options.count == 0 || reached || !life.ran_out()) return ExitCode::ok;
    log_warning("ended after " + std::to_string(counters.out) + " of " + std::to_string(options.count) +
                " lines");
    return ExitCode::temporary;
}

}  // namespace ble
