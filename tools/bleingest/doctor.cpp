#include "bleingest/doctor.hpp"

#include "batch/finding.hpp"
#include "bleingest/options.hpp"
#include "store/doctor.hpp"

namespace ble {

ExitCode print_ingest_diagnosis(const IngestOptions &options) {
    auto findings = examine_store(options.db);
    findings.push_back(examine_room("reject", options.reject));
    findings.push_back(examine_clock());
    return report(findings, {"could_store", "Batches can be stored.", "No batch can be stored."},
                  options.doctor);
}

}  // namespace ble
