// bleexport's options: man/bleexport.1.
#pragma once

#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "store/archive.hpp"

namespace ble {

struct ExportOptions {
    CommonOptions common;
    std::string db = default_state_path("ble.db");
    std::string since, until, resume;
    ArchiveFilter filter;
};

void declare_export_options(ExportOptions &options, CommandLine &line);
void validate_export_options(ExportOptions &options, const CommandLine &line);

}  // namespace ble
