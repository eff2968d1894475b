// bleingest: read batches, store each one exactly once, say on standard output what was stored.
// The contract (options, guarantees, exit codes) is man/bleingest.1.
#include "base/command_line.hpp"
#include "bleingest/doctor.hpp"
#include "bleingest/ingest.hpp"
#include "bleingest/options.hpp"

using namespace ble;

namespace {

ExitCode run(const IngestOptions &options) {
    if (options.doctor.asked) return print_ingest_diagnosis(options);
    return Ingest(options).run();
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<IngestOptions>(
        argc, argv, "bleingest",
        "Store batches of BLE detections, each exactly once; print what was stored as events.",
        declare_ingest_options, validate_ingest_options, run);
}
