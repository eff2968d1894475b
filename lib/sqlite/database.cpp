#include "sqlite/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.hpp"

namespace ble {
namespace {

using Kind = SqliteError::Kind;

constexpr std::string_view memory = ":memory:";

struct Class {
    Kind kind;
    ExitCode code;
};

Class classify(int result) {
    switch (result & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
        case SQLITE_INTERRUPT:
            return {Kind::trouble, ExitCode::temporary};
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
            return {Kind::trouble, ExitCode::io};
        case SQLITE_NOMEM:
            return {Kind::trouble, ExitCode::system};
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return {Kind::permission, ExitCode::permission};
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
            return {Kind::constraint, ExitCode::data};
        case SQLITE_NOTADB:
            return {Kind::foreign, ExitCode::config};
        case SQLITE_CORRUPT:
            return {Kind::foreign, ExitCode::io};
        default:
            return {Kind::other, ExitCode::software};
    }
}

// SQLite would open such a file for reading only, and needs to make files beside it; and it tells no reason.
void check_rights(const std::string &path) {
    if (path == memory) return;
    const auto refused = [](const std::string &what, int rights) {
        return ::access(what.c_str(), rights) != 0 && (errno == EACCES || errno == EPERM || errno == EROFS);
    };
    const auto folder = std::filesystem::path(path).parent_path();
    if (refused(path, R_OK | W_OK) || refused(folder.empty() ? "." : folder.string(), W_OK | X_OK))
        throw SqliteError(
            Kind::permission, ExitCode::permission,
            "unable to open the database " + path + ": no right to write the file or its folder");
}

// As SQLite wants a path in a URI (RFC 3986): "#", "?" and "%" would end it or mean another character.
std::string uri_to_look(const std::string &path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string uri = "file:";
    for (const char c : std::filesystem::absolute(path).string()) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '/')
            uri += c;
        else
            (uri += '%').append({digits[byte >> 4], digits[byte & 15]});
    }
    return uri + "?immutable=1";
}

}  // namespace

Database::Database(const std::string &path, std::chrono::milliseconds busy_timeout, Access access)
    : path_(path) {
    if (path != memory) check_regular("the database", path);
    if (access == Access::write) check_rights(path);
    // Else SQLITE_OPEN_URI is not set: a path is a path, whatever characters it holds.
    const int flags = access == Access::write  ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                      : access == Access::look ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                                               : SQLITE_OPEN_READONLY;
    const std::string place = access == Access::look                      ? uri_to_look(path)
                              : access == Access::write && path != memory ? own_place(path)
                                                                          : path;
    const int result = ::sqlite3_open_v2(place.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    if (result != SQLITE_OK) {
        const int cause = handle_ == nullptr ? ENOMEM : ::sqlite3_system_errno(handle_);
        const std::string reason = cause != 0 ? why_not_opened(path, cause) : ::sqlite3_errmsg(handle_);
        ::sqlite3_close(handle_);
        const Class found = classify(result);
        throw SqliteError(found.kind, found.code, "unable to open the database " + path + ": " + reason);
    }
    ::sqlite3_extended_result_codes(handle_, 1);
    ::sqlite3_busy_timeout(handle_, static_cast<int>(busy_timeout.count()));
}

Database::~Database() {
    ::sqlite3_close_v2(handle_);
}

void Database::fail() const {
    const int result = ::sqlite3_extended_errcode(handle_);
    const Class found = classify(result);
    std::string text = "unable to use the database " + path_ + ": " + ::sqlite3_errmsg(handle_);
    const int cause = ::sqlite3_system_errno(handle_);
    if ((result & 0xff) == SQLITE_IOERR && cause != 0) text += ": " + std::generic_category().message(cause);
    throw SqliteError(found.kind, found.code, text);
}

std::int64_t Database::count_schema() {
    try {
        return integer("SELECT count(*) FROM sqlite_schema").value_or(0);
    } catch (const SqliteError &error) {
        if (error.kind() != Kind::other) throw;
        throw SqliteError(Kind::foreign, ExitCode::io, error.what());
    }
}

void Database::execute(const std::string &sql) {
    if (::sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

std::optional<std::int64_t> Database::integer(const std::string &sql) {
    Statement statement(*this, sql);
    if (!statement.step() || statement.is_null(0)) return std::nullopt;
    return statement.integer(0);
}

std::string Database::text(const std::string &sql) {
    Statement statement(*this, sql);
    return statement.step() ? std::string(statement.text(0)) : std::string();
}

void Database::interrupt_when(std::function<bool()> stop) {
    constexpr int instructions = 10'000;
    stop_ = std::move(stop);
    if (!stop_) return ::sqlite3_progress_handler(handle_, 0, nullptr, nullptr);
    ::sqlite3_progress_handler(
        handle_, instructions, [](void *self) { return static_cast<Database *>(self)->stop_() ? 1 : 0; },
        this);
}

void Database::keep_log() {
    int keep = 1;
    ::sqlite3_file_control(handle_, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    const char *const name = ::sqlite3_db_filename(handle_, "main");  // none, or empty: in memory
    const std::string file = name == nullptr ? "" : name;
    struct stat status {};
    if (file.empty() || ::stat(file.c_str(), &status) != 0) return;
    // SQLite gives it to those that it makes. To open them here would end this process's locks on them.
    for (const char *ending : {"-wal", "-shm"})
        ::fchmodat(AT_FDCWD, (file + ending).c_str(), status.st_mode & 0777, AT_SYMLINK_NOFOLLOW);
}

std::int64_t Database::last_insert_id() const {
    return ::sqlite3_last_insert_rowid(handle_);
}
std::int64_t Database::changes() const {
    return ::sqlite3_changes64(handle_);
}
bool Database::in_transaction() const {
    return ::sqlite3_get_autocommit(handle_) == 0;
}

bool Database::read_only() const {
    return ::sqlite3_db_readonly(handle_, "main") == 1;
}

bool Database::moved() const {
    int moved = 0;
    return ::sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

Statement::Statement(Database &database, std::string_view sql) : database_(database) {
    if (::sqlite3_prepare_v3(database_.handle_, sql.data(), static_cast<int>(sql.size()),
                             SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK)
        database_.fail();
}

Statement::~Statement() {
    ::sqlite3_finalize(handle_);
}

Statement &Statement::bind(int index, std::int64_t value) {
    if (::sqlite3_bind_int64(handle_, index, value) != SQLITE_OK) database_.fail();
    return *this;
}

Statement &Statement::bind(int index, std::string_view text) {
    const char *const data = text.data() == nullptr ? "" : text.data();  // a null pointer would bind NULL
    if (::sqlite3_bind_text64(handle_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
        database_.fail();
    return *this;
}

Statement &Statement::bind(int index, Blob blob) {
    if (::sqlite3_bind_blob64(handle_, index, blob.bytes.data(), blob.bytes.size(), SQLITE_STATIC) !=
        SQLITE_OK)
        database_.fail();
    return *this;
}

Statement &Statement::bind_null(int index) {
    if (::sqlite3_bind_null(handle_, index) != SQLITE_OK) database_.fail();
    return *this;
}

bool Statement::step() {
    const int result = ::sqlite3_step(handle_);
    if (result == SQLITE_ROW) return true;
    // Only reset() gives the error's full code and text, and it ends the statement, so that a rollback can follow.
    if (::sqlite3_reset(handle_) != SQLITE_OK || result != SQLITE_DONE) database_.fail();
    return false;
}

void Statement::kept_out() {
    throw SqliteError(SqliteError::Kind::constraint, ExitCode::data, "a trigger keeps the row out");
}

void Statement::reset() {
    ::sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const {
    return ::sqlite3_column_int64(handle_, column);
}

std::string_view Statement::text(int column) const {
    const auto *data = reinterpret_cast<const char *>(::sqlite3_column_text(handle_, column));
    return {data == nullptr ? "" : data, static_cast<std::size_t>(::sqlite3_column_bytes(handle_, column))};
}

bool Statement::is_null(int column) const {
    return ::sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

int Statement::columns() const {
    return ::sqlite3_column_count(handle_);
}

Transaction::Transaction(Database &database) : database_(database) {
    database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
    // Nothing is left to roll back when SQLite did it by itself; a failing ROLLBACK leaves the file as it was.
    if (!open_ || !database_.in_transaction()) return;
    try {
        database_.execute("ROLLBACK");
    } catch (const SqliteError &) {
    }
}

void Transaction::commit() {
    database_.execute("COMMIT");
    open_ = false;
}

Savepoint::Savepoint(Database &database) : database_(database) {
    database_.execute("SAVEPOINT line");
}

Savepoint::~Savepoint() {
    if (!open_ || !database_.in_transaction()) return;
    try {
        database_.execute("ROLLBACK TO line; RELEASE line");
    } catch (const SqliteError &) {
    }
}

void Savepoint::release() {
    database_.execute("RELEASE line");
    open_ = false;
}

}  // namespace ble
