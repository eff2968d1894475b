// A connection to PostgreSQL.
//
// One thread. Statements are prepared at their first use and sent in a pipeline: queue() does not wait for an answer, ask() waits for
// its own and those before. What the server refuses is thrown as DatabaseError, and then the transaction is to be rolled back. A link
// that is cut, and a server that stops, is full, accepts nobody or is read-only, is `trouble`; so is one without an answer for a minute, or for
// five seconds after a request to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/database_error.hpp"
#include "store/postgres/answer.hpp"
#include "store/postgres/sqlstate.hpp"
#include "store/postgres/uri.hpp"
#include "store/postgres/values.hpp"

struct pg_conn;
struct pg_result;

namespace ble {

// One object for each, for as long as the program runs. Its parameters are $1 …, with casts where their type is not plain.
struct Query {
    const char *sql;
};

class Connection {
  public:
    // `uri`: libpq's own, without a password. `go_on` is asked ten times a second while the server is waited for; false: stop. Then
    // no connection is made any more, and what has begun may take five seconds until DatabaseError(trouble).
    Connection(std::string uri, std::function<bool()> go_on);
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;

    // Connects where that is needed. True: it was. Sets up the session; finds no schema.
    bool connect();
    const std::string &name() const { return uri_; }  // for people
    // After a request to stop, do not wait for any answer: for connections that only read.
    void stop_at_once() { longest_stop_ = std::chrono::seconds(0); }
    // How long the session waits for a lock: as it is set, or 10 s. Of the last connect().
    std::chrono::milliseconds lock_timeout() const { return lock_timeout_; }
    // Statements that begin a transaction which waits for locks no longer than this, nor than the session; and that end this limit.
    std::string begin_briefly(std::chrono::milliseconds wait) const;
    std::string wait_as_set() const;

    void queue(const Query &query, const Values &values = {});
    Answer ask(const Query &query, const Values &values = {});
    // Several questions, and one wait for all.
    struct Question {
        const Query &query;
        Values values;
    };
    std::vector<Answer> ask(const std::vector<Question> &all);
    void settle();  // waits for all answers
    // While it lives an answer may take any time: for statements that go through all rows.
    class Patient {
      public:
        explicit Patient(Connection &connection) : connection_(connection) { connection_.patient_ = true; }
        ~Patient() { connection_.patient_ = false; }
        Patient(const Patient &) = delete;
        Patient &operator=(const Patient &) = delete;

      private:
        Connection &connection_;
    };
    // Statements without parameters, separated by semicolons.
    Answer execute(const std::string &sql);
    // Rows for COPY … FROM STDIN (FORMAT binary), as values.hpp makes them. The server works at them meanwhile; what is sent next ends the
    // COPY. DatabaseError(constraint) then, when a trigger kept rows out.
    void copy(const char *sql, const CopyRows &rows);

    bool in_transaction() const;
    void close() { link_.reset(); }
    // ROLLBACK, when there is a transaction; what was queued is forgotten. A connection that cannot is closed.
    void rollback() noexcept;
    void undo_to(const char *savepoint) noexcept;  // the same, to that

  private:
    struct Close {
        void operator()(pg_conn *link) const;
    };
    using Result = std::unique_ptr<pg_result, void (*)(pg_result *)>;

    // Why an address, or all of a host, did not accept us.
    struct Refusal {
        ErrorClass what;
        std::string why;
        bool told;  // by a server, with its SQLSTATE
    };

    void set_up();
    void greet_one();
    static bool outweighs(const Refusal &one, const Refusal &other);
    std::optional<Refusal> greet(const PostgresHost &host, bool last);
    void start(const PostgresHost &host);
    Refusal refusal() const;
    void send(const Query &query, const Values &values);
    bool wait(short events);
    void flush();
    Result next();
    std::vector<Answer> collect();
    void leave_pipeline();
    void begin_copy(const char *sql);
    void put(std::string_view bytes);
    void end_copy();
    Answer all_results();
    void undo(const std::string &sql) noexcept;
    [[noreturn]] void fail(const pg_result *result);
    [[noreturn]] void lose(const std::string &why);

    std::string uri_;
    std::function<bool()> go_on_;
    std::unique_ptr<pg_conn, Close> link_;
    std::unordered_map<const char *, std::string> prepared_;  // by the query's text: its name there
    std::vector<const char *> preparing_;                     // sent, not answered
    std::uint64_t prepared_count_ = 0;
    enum class Due : std::uint8_t { preparation, answer };
    std::vector<Due> due_;           // what the server has yet to say, in order
    const char *copying_ = nullptr;  // the COPY that has begun
    std::int64_t copied_ = 0;        // rows of it
    bool patient_ = false;
    std::chrono::milliseconds lock_timeout_{0};
    std::chrono::seconds longest_stop_{5};
    std::optional<std::chrono::steady_clock::time_point> stop_before_;
};

}  // namespace ble
