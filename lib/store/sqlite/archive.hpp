#pragma once

#include <memory>
#include <string>

#include "store/rows/archive_rows.hpp"

namespace ble {

// Opens the file for reading alone. Error(config) when it is not ours, or of another version than this program's.
std::unique_ptr<ArchiveRows> open_sqlite_archive(const std::string &path);

}  // namespace ble
