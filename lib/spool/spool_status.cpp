#include "spool/spool_status.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "spool/spool_age.hpp"
#include "spool/spool_schema.hpp"
#include "sqlite/database.hpp"

namespace ble {
namespace {

std::uint64_t count_older(Database &database, std::chrono::milliseconds max_age) {
    Statement state(database, "SELECT lived_s, uptime_s, boot FROM state");
    if (!state.step()) return 0;
    const Clocks clocks = read_clocks();
    const SpoolAge age = SpoolAge{state.integer(0), state.integer(1), std::string(state.text(2))}.at(clocks);
    std::uint64_t found = 0;
    Statement rows(database, "SELECT since, lived_s FROM batches");
    while (rows.step())
        if (age_of_line(rows.integer(0), rows.integer(1), age, clocks.wall) > max_age) ++found;
    return found;
}

}  // namespace

SpoolStatus read_spool_status(const std::string &path, std::chrono::milliseconds max_age) try {
    if (::access(path.c_str(), F_OK) != 0) throw file_error("read the spool", path, ExitCode::unavailable);
    if (::access(path.c_str(), R_OK) != 0) throw file_error("read the spool", path, ExitCode::permission);
    Database database(path, std::chrono::seconds(5), Database::Access::read);
    SpoolStatus status;
    database.execute("BEGIN");  // one moment's view
    const int version = spool_version(database);
    if (version == 0) return status;
    const auto number = [&](const char *sql) {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(database.integer(sql).value_or(0), 0));
    };
    status.batches = number("SELECT count(*) FROM batches");
    status.bytes = number("SELECT sum(length(line)) FROM batches");
    status.gaps = number("SELECT count(*) FROM gaps");
    status.dropped = number("SELECT dropped FROM state");
    status.unnamed = number("SELECT unnamed FROM state");
    if (version > 1) {
        status.expired = number("SELECT expired FROM state");
        if (max_age.count() > 0) status.too_old = count_older(database, max_age);
    }
    if (const auto since = database.integer(
            "SELECT since FROM (SELECT * FROM (SELECT id, since FROM batches ORDER BY id LIMIT 1)"
            " UNION ALL SELECT * FROM (SELECT id, since FROM gaps ORDER BY id LIMIT 1))"
            " ORDER BY id LIMIT 1"))
        status.oldest = time_of_row(*since, now());
    return status;
} catch (const SqliteError &error) {
    if (error.kind() != SqliteError::Kind::foreign) throw;
    throw SqliteError(
        error.kind(), ExitCode::io,
        "the spool " + path + " is damaged: " + error.what() + "; the next start sets it aside");
}

void check_spool(const std::string &path) {
    check_place("the spool", path);
    check_regular("the spool", path);
    if (path.empty() || ::access(path.c_str(), R_OK) != 0) return;
    try {
        Database database(path, std::chrono::milliseconds(0), Database::Access::look);
        spool_version(database);
    } catch (const SqliteError &) {  // of a damaged one too: the next start sets that aside
    }
}

}  // namespace ble
