#include "spool/spool_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "base/log.hpp"

namespace ble {
namespace {

// "BLEq" in PRAGMA application_id: file(1) shows it, and no other program's database is taken for ours.
constexpr std::int64_t application_id = 0x424c4571;
constexpr std::int64_t version = 1;
constexpr int most_differing_bits = 8;  // of a byte that was damaged
// No version will be beyond that: a number that is there is damage.
constexpr std::int64_t last_version = 1000;

// Batches and gaps share one numbering, the order of delivery. Ids are reserved in steps, so that not every commit has
// to write how far they are; since is milliseconds since 1970, UTC.
constexpr char schema[] = R"sql(
CREATE TABLE state (next_id INTEGER NOT NULL, dropped INTEGER NOT NULL, unnamed INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0, 0);
CREATE TABLE batches (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL) STRICT;
CREATE TABLE gaps (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, ours INTEGER NOT NULL) STRICT;
)sql";

// One commit is one write and one sync of the log, which is copied into the file once it is long enough (4 MiB, on all but
// the smallest disks) and then used again from its beginning: so what comes and goes within that time never reaches
// the file at all.
constexpr char settings[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA journal_size_limit=8388608; PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY";

// The end of the year 9998: what a time in the file may be at most, to be printed.
constexpr std::int64_t latest_ms = 253'370'764'799'999;

[[noreturn]] void fail_to_open(const std::string &path) {
    const int error = errno;
    const bool no_right = error == EACCES || error == EPERM || error == EROFS;
    const Error why =
        system_error("open the spool " + path, no_right ? ExitCode::permission : ExitCode::config);
    // There may be room later: what SQLite says of a full disk.
    if (error == ENOSPC || error == EDQUOT)
        throw SqliteError(SqliteError::Kind::trouble, ExitCode::io, why.what());
    throw why;
}

[[noreturn]] void fail_as_damaged(const std::string &why) {
    throw SqliteError(SqliteError::Kind::foreign, ExitCode::io, why);
}

// Throws for what is not ours to touch; true: it has our tables. A database that has our tables, no others, and nearly our
// application id is ours, and damaged: another program would have others.
bool is_made(Database &database) {
    const auto id = database.integer("PRAGMA application_id").value_or(0);
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema").value_or(0);
    const auto ours = database.integer(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('state', 'batches', 'gaps')");
    if (id == 0 && tables == 0) return false;
    if (id != application_id) {
        const auto differing = std::popcount(static_cast<std::uint32_t>(id ^ application_id));
        if (tables == 3 && ours == 3 && differing <= most_differing_bits)
            fail_as_damaged("its application id is " + std::to_string(id));
        throw Error(ExitCode::config,
                    database.path() + " is a database of another program: give another path for the spool");
    }
    const auto found = database.integer("PRAGMA user_version").value_or(0);
    if (found < 0 || found > last_version) fail_as_damaged("its version is " + std::to_string(found));
    if (found > version)
        throw Error(ExitCode::config, "the spool " + database.path() + " has version " +
                                          std::to_string(found) + ", this program knows versions up to " +
                                          std::to_string(version) + ": upgrade blepipe");
    return true;
}

void make_tables(Database &database) {
    Transaction transaction(database);
    database.execute(schema);
    database.execute("PRAGMA application_id=" + std::to_string(application_id) +
                     "; PRAGMA user_version=" + std::to_string(version));
    transaction.commit();
}

// What SQLite cannot know to be wrong: numbers that no spool of ours has.
void check_content(Database &database) {
    const auto sound = database.integer(
        "SELECT (SELECT count(*) FROM state) = 1 AND next_id > 0 AND dropped >= 0 AND unnamed >= 0"
        " AND coalesce((SELECT min(id) FROM batches), 1) > 0 AND coalesce((SELECT max(id) FROM batches), 0) "
        "< next_id"
        " AND coalesce((SELECT min(id) FROM gaps), 1) > 0 AND coalesce((SELECT max(id) FROM gaps), 0) < "
        "next_id"
        " FROM state");
    if (sound != 1) fail_as_damaged("its counters contradict its rows");
}

// A spool that was long and is empty now gives its space back.
void shrink(Database &database) {
    constexpr std::int64_t pages_to_keep = 4096;
    if (database.integer("PRAGMA freelist_count").value_or(0) < pages_to_keep) return;
    if (database.integer("SELECT 1 FROM batches LIMIT 1")) return;
    try {
        database.execute("VACUUM");
    } catch (const SqliteError &error) {
        log_debug(error.what());  // it only saves space
    }
}

}  // namespace

SpoolFile::SpoolFile(const std::string &path) : path_(path) {
    lock();
    std::string damage;
    try {
        open();
        damage = database_->text("PRAGMA quick_check(1)");
        damage.erase(0, damage.rfind('\n') + 1);  // a heading
        if (damage == "ok") {
            check_content(*database_);
            shrink(*database_);
            return;
        }
    } catch (const SqliteError &error) {
        // A full disk, a lock and absent rights say nothing of the file; all else that SQLite says of it at start does.
        if (error.kind() == SqliteError::Kind::trouble || error.kind() == SqliteError::Kind::permission)
            throw;
        damage = error.what();
    }
    set_aside(damage);
    lock();
    open();
}

// The lock is on the file itself, whatever names it has. It may be renamed between open and lock: then once more.
void SpoolFile::lock() {
    for (;;) {
        UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
        if (!fd) fail_to_open(path_);
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) throw system_error("lock the spool " + path_);
            throw Error(ExitCode::unavailable,
                        "another process uses the spool " + path_ + ": give each blesend a spool of its own");
        }
        struct stat mine {
        }, named{};
        if (::fstat(fd.get(), &mine) == 0 && ::stat(path_.c_str(), &named) == 0 &&
            mine.st_ino == named.st_ino && mine.st_dev == named.st_dev) {
            lock_ = std::move(fd);
            return;
        }
    }
}

void SpoolFile::open() {
    struct stat file {
    }, log{};
    if (::stat(path_.c_str(), &file) == 0 && file.st_size == 0 &&
        ::stat((path_ + "-wal").c_str(), &log) == 0 && log.st_size > 0)
        throw SqliteError(SqliteError::Kind::foreign, ExitCode::io, "it is empty and its log is not");
    database_ = std::make_unique<Database>(path_, std::chrono::milliseconds(100));
    const bool made = is_made(*database_);
    if (database_->read_only()) fail_as_damaged("it is marked as one that is only read");
    database_->execute(settings);
    if (!made) make_tables(*database_);
}

void SpoolFile::set_aside(const std::string &why) {
    database_.reset();
    std::string stamp = format_ms(now());
    std::erase_if(stamp, [](char c) { return c == '-' || c == ':' || c == '.'; });
    std::string aside = path_ + ".damaged-" + stamp;
    while (::access(aside.c_str(), F_OK) == 0) aside += '+';
    // The log first: a new file must not find the old one's.
    if (::rename((path_ + "-wal").c_str(), (aside + "-wal").c_str()) != 0 && errno != ENOENT)
        throw system_error("set aside the log of the damaged spool " + path_, ExitCode::io);
    if (::rename(path_.c_str(), aside.c_str()) != 0)
        throw system_error("set aside the damaged spool " + path_, ExitCode::io);
    ::unlink((path_ + "-shm").c_str());
    lock_ = UniqueFd();
    log_error("the spool " + path_ + " is damaged (" + why + "): set aside as " + aside +
              ", and begun anew. What it held is not sent; sqlite3's .recover may find it");
}

SpoolStatus read_spool_status(const std::string &path) {
    if (::access(path.c_str(), F_OK) != 0)
        throw system_error("read the spool " + path, ExitCode::unavailable);
    if (::access(path.c_str(), R_OK) != 0) throw system_error("read the spool " + path, ExitCode::permission);
    Database database(path, std::chrono::seconds(5), Database::Access::read);
    SpoolStatus status;
    database.execute("BEGIN");  // one moment's view
    if (!is_made(database)) return status;
    const auto number = [&](const char *sql) {
        return static_cast<std::uint64_t>(database.integer(sql).value_or(0));
    };
    status.batches = number("SELECT count(*) FROM batches");
    status.bytes = number("SELECT sum(length(line)) FROM batches");
    status.gaps = number("SELECT count(*) FROM gaps");
    status.dropped = number("SELECT dropped FROM state");
    status.unnamed = number("SELECT unnamed FROM state");
    if (const auto since = database.integer(
            "SELECT since FROM (SELECT * FROM (SELECT id, since FROM batches ORDER BY id LIMIT 1)"
            " UNION ALL SELECT * FROM (SELECT id, since FROM gaps ORDER BY id LIMIT 1))"
            " ORDER BY id LIMIT 1"))
        status.oldest = Time(std::chrono::milliseconds(std::clamp<std::int64_t>(*since, 0, latest_ms)));
    return status;
}

}  // namespace ble
