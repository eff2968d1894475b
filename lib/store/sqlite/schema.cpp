#include "store/sqlite/schema.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>

#include "base/log.hpp"
#include "store/sqlite/schema_early.hpp"
#include "store/sqlite/schema_first.hpp"
#include "store/sqlite/schema_heard.hpp"
#include "store/sqlite/schema_losses.hpp"
#include "store/sqlite/schema_rollups.hpp"
#include "store/sqlite/schema_senders.hpp"

namespace ble {
namespace {

// "BLEp" in PRAGMA application_id: file(1) shows it, and no other program's database is taken for ours.
constexpr std::int64_t application_id = 0x424c4570;

std::int64_t version_of(Database &database) {
    return database.integer("PRAGMA user_version").value_or(0);
}

// Step by step, so that the file does not grow to twice its size, and that nothing is done twice after it was stopped.
void pack_detections(Database &database) {
    constexpr std::int64_t rows_a_step = 100'000;
    constexpr std::chrono::seconds between_words{10};
    auto told = std::chrono::steady_clock::now();
    for (std::int64_t moved = 0, step = rows_a_step; step == rows_a_step; moved += step) {
        Transaction transaction(database);
        if (version_of(database) != 10) return;  // another process has done it
        database.execute(schema::packed_detections);
        database.execute(schema::pack + (" LIMIT " + std::to_string(rows_a_step)));
        step = database.changes();
        if (step > 0) database.execute(schema::erase_packed + std::to_string(step - 1) + ")");
        transaction.commit();
        if (std::chrono::steady_clock::now() - told < between_words) continue;
        told = std::chrono::steady_clock::now();
        const auto all = database.integer("SELECT sum(detections) FROM advertisers").value_or(0);
        log_info("database " + database.path() + ": " + std::to_string(moved + step) + " of " +
                 std::to_string(std::max(all, moved + step)) + " detections moved");
    }
}

const std::string first_version = std::string(schema::tables) + schema::views;
// With what a process of version 10 has stored since the last step.
const std::string packed_version = std::string(schema::packed_detections) + schema::pack + schema::use_packed;
const Migration all[] = {{1, "create the tables", first_version.c_str()},
                         {2, "join adjoining windows in the view coverage", schema::joined_windows},
                         {3, "take counts of advertisers without their hashes", schema::occupancy},
                         {4, "tell how old a batch is without the clock", schema::ages},
                         {5, "keep the stretches of the view coverage", schema::stretches},
                         {6, "notice two runs of one device at once", schema::turns},
                         {7, "keep who sent what, and bound what they fill", schema::senders_and_bounds},
                         {8, "keep which version each device runs", schema::programs},
                         {9, "tell when what is missing was", schema::lost_times},
                         {10, "keep rollups of five minutes and of days", schema::rollups},
                         {11, "keep detections in fewer bytes", packed_version.c_str(), pack_detections}};

void refuse_newer(Database &database, std::int64_t version, std::int64_t known) {
    if (version <= known) return;
    throw Error(ExitCode::config, "the database " + database.path() + " has version " +
                                      std::to_string(version) + ", this program knows versions up to " +
                                      std::to_string(known) + ": upgrade blepipe");
}

void refuse_foreign(Database &database) {
    // In this order: another process may be creating the tables, and writes its id in the same transaction.
    const auto count = database.count_schema();
    const auto id = database.integer("PRAGMA application_id").value_or(0);
    if (id == application_id || (id == 0 && count == 0)) return;
    throw Error(ExitCode::config, database.path() + " is a database of another program: give another path");
}

std::int64_t count_batches(Database &database) {
    return database.integer("SELECT count(*) FROM batches").value_or(0);
}

// True: one step was made. The version is asked again inside the transaction: two processes may start at once.
bool migrate_once(Database &database, std::span<const Migration> migrations, bool is_new) {
    const auto next =
        std::find_if(migrations.begin(), migrations.end(),
                     [now = version_of(database)](const Migration &one) { return one.version > now; });
    if (!is_new && next != migrations.end() && next->prepare != nullptr) next->prepare(database);
    Transaction transaction(database);
    const auto version = version_of(database);
    refuse_newer(database, version, migrations.back().version);
    for (const auto &step : migrations) {
        if (step.version <= version) continue;
        if (!is_new)
            log_info("database " + database.path() + ": version " + std::to_string(version) + " to " +
                     std::to_string(step.version) + ", " + std::to_string(count_batches(database)) +
                     " batches: " + step.what);
        database.execute(step.sql);
        database.execute(
            "UPDATE state SET epoch = epoch + 1; PRAGMA user_version=" + std::to_string(step.version) +
            "; PRAGMA application_id=" + std::to_string(application_id));
        transaction.commit();
        return true;
    }
    return false;
}

}  // namespace

std::span<const Migration> store_migrations() {
    return all;
}

void check_archive_schema(Database &database) {
    if (database.count_schema() == 0)
        throw Error(ExitCode::config,
                    "the database " + database.path() + " is empty: bleingest has not stored anything in it");
    refuse_foreign(database);
    check_version(database);
    const auto version = version_of(database);
    if (version < all[std::size(all) - 1].version)
        throw Error(ExitCode::config, "the database " + database.path() + " has version " +
                                          std::to_string(version) +
                                          ", which this program cannot read: run this version of bleingest "
                                          "on it once, to upgrade the database");
}

void check_version(Database &database, std::span<const Migration> migrations) {
    refuse_newer(database, version_of(database), migrations.back().version);
}

void check_our_schema(Database &database, std::span<const Migration> migrations) {
    refuse_foreign(database);
    check_version(database, migrations);
}

void open_schema(Database &database, std::span<const Migration> migrations) {
    check_our_schema(database, migrations);
    // A commit is durable when it returns, also through a power cut. 16 MiB of log before it is copied into the file:
    // pages that change often are then copied once. References document; checking each would cost a look-up a row.
    database.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
        "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-32768; PRAGMA secure_delete=ON;"
        "PRAGMA foreign_keys=OFF");
    database.keep_log();
    const bool is_new = version_of(database) == 0;
    // A step may sort all batches there are, which the memory of a small machine does not hold.
    database.execute("PRAGMA temp_store=FILE");
    while (version_of(database) < migrations.back().version && migrate_once(database, migrations, is_new)) {
    }
    database.execute("PRAGMA temp_store=MEMORY");
}

}  // namespace ble
