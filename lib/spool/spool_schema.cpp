#include "spool/spool_schema.hpp"

#include "base/limits.hpp"

namespace ble {
namespace {

// "BLEq" in PRAGMA application_id: file(1) shows it, and no other program's database is taken for ours.
constexpr std::int64_t application_id = 0x424c4571;
constexpr std::int64_t version = 1;

// Batches and gaps share one numbering, the order of delivery. Ids are reserved in steps, so that not every commit has
// to write how far they are; since is milliseconds since 1970, UTC.
constexpr char schema[] = R"sql(
CREATE TABLE state (next_id INTEGER NOT NULL, dropped INTEGER NOT NULL, unnamed INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0, 0);
CREATE TABLE batches (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL) STRICT;
CREATE TABLE gaps (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, ours INTEGER NOT NULL) STRICT;
)sql";

// The definitions as SQLite keeps them.
constexpr char definitions[] =
    "SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema ORDER BY name)";

// 2^62 ids are left: nobody counts so far. An id that both tables have, or that is not below next_id, would be given twice.
constexpr char sound_numbers[] = R"sql(
SELECT (SELECT count(*) = 1 AND min(next_id) BETWEEN 1 AND 1 << 62 AND min(dropped) >= 0 AND min(unnamed) >= 0 FROM state)
   AND (SELECT coalesce(min(id) >= 1 AND max(id) < (SELECT next_id FROM state), 1) FROM batches)
   AND (SELECT coalesce(min(id) >= 1 AND max(id) < (SELECT next_id FROM state), 1) FROM gaps)
   AND NOT EXISTS (SELECT 1 FROM gaps JOIN batches USING (id))
)sql";

[[noreturn]] void damaged(const std::string &why) {
    throw SqliteError(SqliteError::Kind::foreign, ExitCode::io, why);
}

const std::string &our_definitions() {
    static const std::string text = [] {
        Database model(":memory:");
        model.execute(schema);
        return model.text(definitions);
    }();
    return text;
}

}  // namespace

bool is_spool(Database &database) {
    const auto tables = database.count_schema();
    const auto id = database.integer("PRAGMA application_id").value_or(0);
    if (id == 0 && tables == 0) return false;
    const bool has_our_tables = database.text(definitions) == our_definitions();
    if (id != application_id && !has_our_tables)
        throw Error(ExitCode::config,
                    database.path() + " is a database of another program: give another path for the spool");
    const auto found = database.integer("PRAGMA user_version").value_or(0);
    // A newer version has other tables, else it would need no number of its own.
    if (found > version && !has_our_tables)
        throw Error(ExitCode::config, "the spool " + database.path() + " has version " +
                                          std::to_string(found) + ", this program knows versions up to " +
                                          std::to_string(version) + ": upgrade blepipe");
    if (id != application_id) damaged("it has our tables and a foreign application id");
    if (found != version) damaged("it has our tables and a foreign version");
    if (!has_our_tables) damaged("its tables are not those of its version");
    return true;
}

void make_spool_tables(Database &database) {
    Transaction transaction(database);
    database.execute(schema);
    database.execute("PRAGMA application_id=" + std::to_string(application_id) +
                     "; PRAGMA user_version=" + std::to_string(version));
    transaction.commit();
}

std::string damage_of_spool(Database &database) {
    std::string damage = database.text("PRAGMA quick_check(1)");
    damage.erase(0, damage.rfind('\n') + 1);  // a heading
    if (damage != "ok") return damage;
    if (database.integer(sound_numbers) != 1) return "its numbers contradict one another";
    const auto longest = database.integer(
        "SELECT max(coalesce((SELECT max(length(line)) FROM batches), 0), coalesce((SELECT max(length(line)) "
        "FROM gaps), 0))");
    if (longest > static_cast<std::int64_t>(max_line)) return "a line in it is longer than any that it took";
    return {};
}

std::optional<Time> time_of_row(std::int64_t since_ms, Time now) {
    const auto now_ms = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    if (since_ms < 0 || since_ms > now_ms.count()) return {};
    return Time(std::chrono::milliseconds(since_ms));
}

}  // namespace ble
