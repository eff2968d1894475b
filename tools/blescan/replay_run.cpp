#include "blescan/replay_run.hpp"

#include "base/log.hpp"
#include "base/waiter.hpp"
#include "blescan/output.hpp"
#include "radio/capture/replay.hpp"

namespace ble {

namespace {

ExitCode outcome(const ScanOptions &o, const Replay &replay, const Counters &counters,
                 const Lifecycle &life) {
    if (counters.rejected > 0)
        log_warning(std::to_string(counters.rejected) +
                    " malformed events; what could be read of them was used");
    if (replay.wrong_checksums() > 0)
        log_info(std::to_string(replay.wrong_checksums()) +
                 " packets were damaged on the air (wrong checksum), and left out");
    if (!replay.left_out().empty()) {
        const std::string said = replay.left_out() + " in " + replay.name() + " were left out";
        if (o.strict) throw Error(ExitCode::data, said);
        log_warning(said);
    }
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

}  // namespace

ExitCode run_replay(const ScanOptions &options, Counters &counters, Lifecycle &life, LineWriter &writer) {
    Waiter waiter(life, writer);
    Replay replay({options.replay, options.speed_factor, options.now}, counters,
                  [&](int fd, auto until) { return waiter.wait(fd, until, replay.fraction()); });
    life.ready("replaying " + replay.name());
    const auto output = make_output(options, writer, counters, life);
    replay.run(output->sink());
    output->say_left_out();
    writer.flush();
    return outcome(options, replay, counters, life);
}

}  // namespace ble
