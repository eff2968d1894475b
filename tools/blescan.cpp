// blescan: turn the reports of a radio, or of a capture, into batches, one for each scan window.
// The contract (options, guarantees, exit codes) is man/blescan.1.
#include <unistd.h>

#include "base/command_line.hpp"
#include "base/host.hpp"
#include "blescan/live_run.hpp"
#include "blescan/options.hpp"
#include "blescan/replay_run.hpp"
#include "radio/bluez/doctor.hpp"
#include "radio/window/address_hasher.hpp"

using namespace ble;

namespace {

ExitCode print_hash(const ScanOptions &options) {
    LineWriter answer(STDOUT_FILENO);
    AddressHasher hasher(options.rules.key,
                         std::chrono::duration_cast<std::chrono::seconds>(options.hash_epoch));
    hasher.enter(now());
    answer.line(hasher.hash(*parse_address(options.hash)));
    answer.flush();
    return ExitCode::ok;
}

ExitCode print_diagnosis(const ScanOptions &options) {
    return report(examine_radio(), {"could_scan", "A scan can start.", "No scan can start."}, options.doctor);
}

ExitCode run(const ScanOptions &options) {
    if (!options.hash.empty()) return print_hash(options);
    if (options.doctor.asked) return print_diagnosis(options);
    Counters counters;
    Lifecycle life(options.common, counters, [&] {
        if (const auto synced = kernel_clock_synced(); options.live() && synced)
            counters.clock_synchronised = *synced ? 1 : 0;
    });
    LineWriter writer(STDOUT_FILENO, life.fd(), [&life] {
        life.handle();
        life.progress();  // a reader that stalls is no fault that a restart would mend
        return life.stopping();
    });
    try {
        return (options.live() ? run_live : run_replay)(options, counters, life, writer);
    } catch (const ReaderGone &) {
        if (!options.listing()) throw;
        return ExitCode::ok;  // who reads a listing may stop where he has seen enough: | head
    }
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<ScanOptions>(argc, argv, "blescan",
                                 "turn the reports of a radio into batches, one for each scan window",
                                 declare_scan_options, validate_scan_options, run);
}
