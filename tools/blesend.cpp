// blesend: read batches on standard input, deliver each one to a broker or a server.
// The contract (options, guarantees, exit codes) is man/blesend.1.
#include <csignal>
#include <memory>

#include "base/command_line.hpp"
#include "blesend/doctor.hpp"
#include "blesend/options.hpp"
#include "blesend/sender.hpp"
#include "blesend/spool.hpp"

namespace {

using namespace ble;

ExitCode run(const SendOptions &options) {
    if (options.doctor.asked) return print_send_diagnosis(options);
    if (options.status) return print_spool_status(options);
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is like a full disk
    Counters counters;
    std::unique_ptr<Spool> spool;
    Lifecycle lifecycle(options.common, counters, [&] {
        if (!spool) return;
        counters.queued = spool->size();
        counters.capacity = spool->capacity();
        counters.oldest_ms = static_cast<std::uint64_t>(spool->oldest_age().count());
    });
    spool = open_spool(options, lifecycle);
    if (spool) return Sender(options, counters, *spool, lifecycle).run();
    return lifecycle.ran_out() && options.count > 0 ? ExitCode::temporary : ExitCode::ok;
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<SendOptions>(argc, argv, "blesend",
                                 "deliver batches to an MQTT broker or an HTTP server, and lose none.",
                                 declare_send_options, validate_send_options, run);
}
