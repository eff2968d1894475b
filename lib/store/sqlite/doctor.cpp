#include "store/sqlite/doctor.hpp"

#include <unistd.h>

#include <chrono>
#include <optional>

#include "base/file.hpp"
#include "sqlite/database.hpp"
#include "store/doctor.hpp"
#include "store/sqlite/schema.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds lock_patience(3);
constexpr const char *quick_check = "sqlite3 FILE 'PRAGMA quick_check'; blepipe-operations(7), \"Restore\"";

}  // namespace

void check_sqlite(const std::string &path) {
    if (path == ":memory:") return;
    check_regular("the database", path);
    if (::access(path.c_str(), R_OK) != 0) return;
    try {
        Database database(path, std::chrono::milliseconds(0), Database::Access::look);
        check_our_schema(database);
    } catch (const SqliteError &error) {  // it may be in use: only that it is no database at all is sure
        if (error.code() == ExitCode::config) throw;
    }
}

Findings examine_sqlite(const std::string &path) {
    if (path == ":memory:") return {Finding::ok("database", "in memory: gone when it ends")};
    Findings all;
    auto space = examine_room("space", path);
    if (::access(path.c_str(), F_OK) != 0) {
        all.push_back(Finding::ok("database", path + " is not there yet: the first start makes it"));
        all.push_back(Finding::unknown("writable"));
        all.push_back(Finding::unknown("newest"));
        all.push_back(std::move(space));
        return all;
    }
    std::optional<Database> database;
    all.push_back(attempt("database", "ls -l " + path + "; " + quick_check, [&] {
        database.emplace(path, lock_patience);
        database->keep_log();
        if (database->count_schema() == 0) return path + " is empty: the first start makes its tables";
        check_archive_schema(*database);
        return path + " is ours, of version " + database->text("PRAGMA user_version");
    }));
    const bool usable = works(all) && database->count_schema() > 0;
    if (!usable) {
        all.push_back(Finding::unknown("writable"));
        all.push_back(Finding::unknown("newest"));
    } else {
        all.push_back(
            attempt("writable", "ls -l " + path + "*; run it as the file's owner: sudo -u blepipe", [&] {
                const Transaction undone(*database);
                database->execute("UPDATE state SET epoch = epoch");
                return std::string("a transaction could be made, and was rolled back");
            }));
        all.push_back(judge_newest(database->integer("SELECT max(received_at) FROM batches")));
    }
    all.push_back(std::move(space));
    return all;
}

}  // namespace ble
