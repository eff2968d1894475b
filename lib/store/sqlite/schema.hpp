// The SQLite store's tables and views, and how an older file becomes a newer one.
#pragma once

#include <cstdint>
#include <span>

#include "sqlite/database.hpp"

namespace ble {

// One step forward. Its statements run in one transaction together with the new version number.
struct Migration {
    std::int64_t version;  // that the file has afterwards
    const char *what;      // for a log line
    const char *sql;
    // Before it, in transactions of its own, unless the file is new; may be stopped and begun again.
    void (*prepare)(Database &) = nullptr;
};

// The tables as they are since version 1, then each later change; the last one's version is what this program writes.
std::span<const Migration> store_migrations();

// Sets up the connection (WAL, synchronous=FULL, page cache …) and brings the file to the last version of `migrations`,
// creating everything in an empty one. Error(config) for another program's database and for a newer version; both are
// left untouched.
void open_schema(Database &database, std::span<const Migration> migrations = store_migrations());

// Error(config) for another program's database and for a newer version.
void check_our_schema(Database &database, std::span<const Migration> migrations = store_migrations());

// Error(config) when a file that is only to be read is not ours, or has another version than this program's.
void check_archive_schema(Database &database);

// Error(config) when another process has meanwhile brought the file to a version that we do not know.
void check_version(Database &database, std::span<const Migration> migrations = store_migrations());

}  // namespace ble
