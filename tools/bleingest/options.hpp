// bleingest's options: man/bleingest.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "base/lifecycle.hpp"
#include "batch/finding.hpp"

namespace ble {

struct IngestOptions {
    CommonOptions common;
    std::vector<std::string> inputs;
    std::string db = default_state_path("ble.db");
    std::string reject = default_state_path("bleingest.rejected.ndjson");
    std::int64_t reject_max = 16 << 20, count = 0, most_advertisers = 10'000;
    std::chrono::milliseconds event_timeout{1000}, retain{0}, retain_rollups{0};
    DoctorOptions doctor;
    bool hold = false, strict = false, clock_is_right = false, import = false, rebuild_rollups = false;
};

void declare_ingest_options(IngestOptions &options, CommandLine &line);
void validate_ingest_options(IngestOptions &options, const CommandLine &line);

}  // namespace ble
