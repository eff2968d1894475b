// The store's tables in SQLite: WAL, synchronous=FULL.
#pragma once

#include <memory>
#include <string>

#include "store/tables.hpp"

namespace ble {

// Opens or creates the database; ":memory:" is one of its own. Throws as make_store() does.
std::unique_ptr<Tables> open_sqlite_tables(const std::string &path);

}  // namespace ble
