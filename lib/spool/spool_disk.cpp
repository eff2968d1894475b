#include "spool/spool_disk.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds retry_after(1);
constexpr std::uint64_t most_kept_free = 10u << 20;
constexpr std::uint64_t most_of_a_push = 2u << 20;  // one look at a pipe, and what SQLite adds
constexpr std::uint64_t page_size = 4096;           // of SQLite, unless it was told otherwise

std::uint64_t kept_free_on_disk_of(const std::string &path) {
    struct statvfs disk {};
    if (::statvfs(path.c_str(), &disk) != 0) return 0;
    return std::min<std::uint64_t>(most_kept_free, disk.f_blocks * disk.f_frsize / 4);
}

}  // namespace

// Removals need space too. SQLite's log grows to this, and the file by as much, before the log is used from its beginning.
// 0 would let it grow for ever: some disks, a tmpfs without a limit among them, tell no size.
SpoolDisk::SpoolDisk(Database &database)
    : database_(database), kept_free_(kept_free_on_disk_of(database.path())) {
    const auto log_pages = kept_free_ > 0 ? std::max<std::uint64_t>(kept_free_ * 2 / 5 / page_size, 1) : 1000;
    database_.execute("PRAGMA wal_autocheckpoint=" + std::to_string(log_pages));
}

// A spool that filled its disk to the last byte could never be emptied. What was removed leaves free pages in the file.
bool SpoolDisk::has_room() {
    struct statvfs disk {};
    if (::statvfs(database_.path().c_str(), &disk) != 0 || disk.f_bavail * disk.f_frsize >= kept_free_)
        return true;
    const auto free_pages =
        static_cast<std::uint64_t>(database_.integer("PRAGMA freelist_count").value_or(0));
    return free_pages * page_size >= std::min(most_of_a_push, kept_free_);
}

void SpoolDisk::wait(const std::string &why) {
    retry_at_ = Clock::now() + retry_after;
    if (!trouble_said_.due()) return;
    complained_ = true;
    log_warning(why + "; the input waits, trying again every second");
}

void SpoolDisk::trouble(const SqliteError &error) {
    if (error.kind() == SqliteError::Kind::foreign)
        throw Error(ExitCode::io,
                    std::string(error.what()) + ": the spool is damaged; the next start sets it aside");
    if (error.kind() != SqliteError::Kind::trouble) throw;
    wait(error.what());
    try {
        database_.execute("PRAGMA wal_checkpoint(TRUNCATE)");  // a full disk may have room in the log alone
    } catch (const SqliteError &) {
    }
}

void SpoolDisk::worked() {
    if (std::exchange(complained_, false))
        log_info("the spool " + database_.path() + " can be written again");
}

}  // namespace ble
