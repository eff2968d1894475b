// A connection to an SQLite database, its statements and its transactions. The only user of SQLite.
//
// Everything here belongs to one thread and may block: on the disk, and up to `busy_timeout` on another connection's
// lock. What SQLite refuses is thrown as SqliteError; what it says about the database's content is left to the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/database_error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ble {

class SqliteError : public DatabaseError {
  public:
    using DatabaseError::DatabaseError;
};

class Database {
  public:
    enum class Access {
        write,  // opens or creates the file
        read,   // opens it; nothing in it is changed
        look,   // reads only the file itself, without its log; makes and locks nothing
    };
    // ":memory:" is a database of its own that dies with the connection. Error(config): a device, a FIFO.
    explicit Database(const std::string &path,
                      std::chrono::milliseconds busy_timeout = std::chrono::milliseconds(1000),
                      Access access = Access::write);
    ~Database();
    Database(const Database &) = delete;
    Database &operator=(const Database &) = delete;

    // How many tables, indexes and views it has. The first question to a file that others may have written: what is wrong
    // with it is the file's fault (foreign), never the question's.
    std::int64_t count_schema();
    // Runs statements separated by semicolons; rows are ignored.
    void execute(const std::string &sql);
    // The first column of the first row; empty: no row, or NULL.
    std::optional<std::int64_t> integer(const std::string &sql);
    std::string text(const std::string &sql);

    // From now on `stop` is asked some hundred times a second while a statement works: true ends that one with SqliteError(trouble). Empty: never.
    // It must not throw.
    void interrupt_when(std::function<bool()> stop);

    // Keeps the log and its index when the last connection closes, so that users who may not write there can still read the database. They
    // have the mode that the file has now.
    void keep_log();

    std::int64_t last_insert_id() const;
    std::int64_t changes() const;  // rows that the last INSERT, UPDATE or DELETE touched
    bool in_transaction() const;
    // Was the file renamed or deleted since it was opened? What is written then is lost.
    bool moved() const;
    // Will SQLite only read it, although it was opened for writing?
    bool read_only() const;
    const std::string &path() const { return path_; }

    // Throws what SQLite says about the last error on this connection.
    [[noreturn]] void fail() const;

  private:
    friend class Statement;
    std::string path_;
    sqlite3 *handle_ = nullptr;
    std::function<bool()> stop_;
};

// Bytes to be bound as such, not as text. Borrowed.
struct Blob {
    std::string_view bytes;
};

// A prepared statement, to be run many times.
class Statement {
  public:
    Statement(Database &database, std::string_view sql);
    ~Statement();
    Statement(const Statement &) = delete;
    Statement &operator=(const Statement &) = delete;

    // Parameters are numbered from 1 and keep their values until bound again. Text and blobs are borrowed: they must
    // live until the statement ran to its end or was reset.
    Statement &bind(int index, std::int64_t value);
    Statement &bind(int index, std::string_view text);
    Statement &bind(int index, Blob blob);
    Statement &bind_null(int index);
    template <class T>
    Statement &bind(int index, const std::optional<T> &value) {
        return value ? bind(index, *value) : bind_null(index);
    }
    Statement &bind(int index, std::int32_t value) { return bind(index, std::int64_t{value}); }
    Statement &bind(int index, std::uint32_t value) { return bind(index, std::int64_t{value}); }
    Statement &bind(int index, bool value) { return bind(index, std::int64_t{value}); }
    Statement &bind(int index, const std::string &text) { return bind(index, std::string_view(text)); }
    Statement &bind(int index, const char *text) { return bind(index, std::string_view(text)); }

    // True: a row is there. False: the end, and the statement is reset.
    bool step();
    // Binds the values to the parameters in order and runs to the end, without rows.
    template <class... Values>
    void run(const Values &...values) {
        bind_all(values...);
        while (step()) {
        }
    }
    // Binds the values and returns the first column of the first row, if any.
    template <class... Values>
    std::optional<std::int64_t> find(const Values &...values) {
        bind_all(values...);
        if (!step()) return std::nullopt;
        const std::int64_t value = integer(0);
        reset();
        return value;
    }
    // The same for an INSERT … RETURNING. Throws (constraint) when a trigger kept the row out.
    template <class... Values>
    std::int64_t insert(const Values &...values) {
        const auto made = find(values...);
        if (!made) kept_out();
        return *made;
    }
    [[noreturn]] static void kept_out();
    void reset();

    // Columns of the present row, numbered from 0. Text is valid until the next step() or reset().
    std::int64_t integer(int column) const;
    std::string_view text(int column) const;
    bool is_null(int column) const;
    int columns() const;

  private:
    template <class... Values>
    void bind_all(const Values &...values) {
        int index = 0;
        (bind(++index, values), ...);
    }

    Database &database_;
    sqlite3_stmt *handle_ = nullptr;
};

// BEGIN IMMEDIATE; rolled back unless committed. IMMEDIATE, because a transaction that reads first and then writes is
// refused at once, without waiting, when another connection wrote in between.
class Transaction {
  public:
    explicit Transaction(Database &database);
    ~Transaction();
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit();

  private:
    Database &database_;
    bool open_ = true;
};

// Part of a transaction that can be undone by itself; undone unless released. Some errors (disk full, RAISE(ROLLBACK))
// take the whole transaction away with it: see Database::in_transaction().
class Savepoint {
  public:
    explicit Savepoint(Database &database);
    ~Savepoint();
    Savepoint(const Savepoint &) = delete;
    Savepoint &operator=(const Savepoint &) = delete;
    void release();

  private:
    Database &database_;
    bool open_ = true;
};

}  // namespace ble
