// bleexport: read a database from its beginning to its end, and write its batches to standard output.
// The contract (options, guarantees, exit codes) is man/bleexport.1.
#include "base/command_line.hpp"
#include "bleexport/export.hpp"
#include "bleexport/options.hpp"

namespace {

ble::ExitCode run(const ble::ExportOptions &options) {
    return ble::Export(options).run();
}

}  // namespace

int main(int argc, char **argv) {
    return ble::run_tool<ble::ExportOptions>(
        argc, argv, "bleexport",
        "write a database as lines: for another database (bleingest --import), a backup, or analysis.",
        ble::declare_export_options, ble::validate_export_options, run);
}
