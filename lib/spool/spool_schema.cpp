#include "spool/spool_schema.hpp"

#include "base/limits.hpp"

namespace ble {
namespace {

// "BLEq" in PRAGMA application_id: file(1) shows it, and no other program's database is taken for ours.
constexpr std::int64_t application_id = 0x424c4571;
constexpr int version = 2;

// Batches and gaps share one numbering, the order of delivery. Ids are reserved in steps, so that not every commit has
// to write how far they are; since is milliseconds since 1970, UTC; lived_s, uptime_s and boot are SpoolAge.
constexpr char schema[] = R"sql(
CREATE TABLE state (next_id INTEGER NOT NULL, dropped INTEGER NOT NULL, unnamed INTEGER NOT NULL, expired INTEGER NOT NULL DEFAULT 0, lived_s INTEGER NOT NULL DEFAULT 0, uptime_s INTEGER NOT NULL DEFAULT 0, boot TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO state (next_id, dropped, unnamed) VALUES (1, 0, 0);
CREATE TABLE batches (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, lived_s INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE gaps (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, ours INTEGER NOT NULL, lived_s INTEGER NOT NULL DEFAULT 0) STRICT;
)sql";
constexpr char first_schema[] = R"sql(
CREATE TABLE state (next_id INTEGER NOT NULL, dropped INTEGER NOT NULL, unnamed INTEGER NOT NULL) STRICT;
CREATE TABLE batches (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL) STRICT;
CREATE TABLE gaps (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, ours INTEGER NOT NULL) STRICT;
)sql";
// SQLite writes each column behind the others, as it stands here: so the definitions become those above.
constexpr char upgrade[] = R"sql(
ALTER TABLE state ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN lived_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN uptime_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE batches ADD COLUMN lived_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gaps ADD COLUMN lived_s INTEGER NOT NULL DEFAULT 0;
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
// 2^32 seconds are 136 years; more than 2^33 are too many nanoseconds for a clock's 64 bits.
constexpr char sound_age[] =
    "SELECT min(expired) >= 0 AND min(lived_s) BETWEEN 0 AND 4294967296 AND min(uptime_s) BETWEEN 0 AND "
    "4294967296 "
    "FROM state";

[[noreturn]] void damaged(const std::string &why) {
    throw SqliteError(SqliteError::Kind::foreign, ExitCode::io, why);
}

std::string definitions_of(const char *sql) {
    Database model(":memory:");
    model.execute(sql);
    return model.text(definitions);
}

// Whose tables it has: those of that version of ours; 0: none.
int version_of_tables(Database &database) {
    static const std::string present = definitions_of(schema), first = definitions_of(first_schema);
    const std::string found = database.text(definitions);
    if (found == present) return version;
    return found == first ? 1 : 0;
}

}  // namespace

int spool_version(Database &database) {
    const auto tables = database.count_schema();
    const auto id = database.integer("PRAGMA application_id").value_or(0);
    if (id == 0 && tables == 0) return 0;
    const int known = version_of_tables(database);
    if (id != application_id && known == 0)
        throw Error(ExitCode::config,
                    database.path() + " is a database of another program: give another path for the spool");
    const auto found = database.integer("PRAGMA user_version").value_or(0);
    // A newer version has other tables, else it would need no number of its own.
    if (found > version && known == 0)
        throw Error(ExitCode::config, "the spool " + database.path() + " has version " +
                                          std::to_string(found) + ", this program knows versions up to " +
                                          std::to_string(version) + ": upgrade blepipe");
    if (id != application_id) damaged("it has our tables and a foreign application id");
    if (known == 0) damaged("its tables are not those of its version");
    if (found != known) damaged("it has our tables and a foreign version");
    return known;
}

void make_spool_tables(Database &database) {
    Transaction transaction(database);
    database.execute(schema);
    database.execute("PRAGMA application_id=" + std::to_string(application_id) +
                     "; PRAGMA user_version=" + std::to_string(version));
    transaction.commit();
}

void upgrade_spool_tables(Database &database) {
    if (spool_version(database) == version) return;
    Transaction transaction(database);
    database.execute(upgrade);
    database.execute("PRAGMA user_version=" + std::to_string(version));
    transaction.commit();
}

std::string damage_of_spool(Database &database) {
    std::string damage = database.text("PRAGMA quick_check(1)");
    damage.erase(0, damage.rfind('\n') + 1);  // a heading
    if (damage != "ok") return damage;
    if (database.integer(sound_numbers) != 1 ||
        (spool_version(database) == version && database.integer(sound_age) != 1))
        return "its numbers contradict one another";
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
