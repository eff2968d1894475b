#include "spool/spool_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "base/log.hpp"
#include "spool/spool_schema.hpp"

namespace ble {
namespace {

// One commit is one write and one sync of the log, which is copied into the file once it is long enough (4 MiB, on all but
// the smallest disks) and then used again from its beginning: so what comes and goes within that time never reaches
// the file at all.
constexpr char settings[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA journal_size_limit=8388608; PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY";

[[noreturn]] void fail_to_open(const std::string &path) {
    const int error = errno;
    const bool no_right = error == EACCES || error == EPERM || error == EROFS;
    const Error why = file_error("open the spool", path, no_right ? ExitCode::permission : ExitCode::config);
    // There may be room later: what SQLite says of a full disk.
    if (error == ENOSPC || error == EDQUOT)
        throw SqliteError(SqliteError::Kind::trouble, ExitCode::io, why.what());
    throw why;
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
        damage = damage_of_spool(*database_);
        if (damage.empty()) {
            upgrade_spool_tables(*database_);
            shrink(*database_);
            return;
        }
    } catch (const SqliteError &error) {
        if (error.kind() != SqliteError::Kind::foreign) throw;
        damage = error.what();
    }
    set_aside(damage);
    lock();
    open();
}

// The lock is on the file itself, whatever names it has. It may be renamed between open and lock: then once more.
void SpoolFile::lock() {
    for (;;) {
        UniqueFd fd = open_own(path_, O_RDWR | O_CREAT, 0666);
        if (!fd) fail_to_open(path_);
        check_regular("the spool", path_);  // SQLite would wait for it to become one
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
    const bool made = spool_version(*database_) > 0;
    // Rights were asked before: it is the file that says so.
    if (database_->read_only())
        throw SqliteError(SqliteError::Kind::foreign, ExitCode::io, "it is marked as one that is only read");
    database_->execute(settings);
    if (!made) make_spool_tables(*database_);
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
              ", and a new spool is begun. The batches in the old one are not sent; sqlite3's .recover may "
              "find them");
}

}  // namespace ble
