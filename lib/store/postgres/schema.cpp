#include "store/postgres/schema.hpp"

#include <iterator>
#include <string>

#include "base/log.hpp"
#include "store/postgres/locks.hpp"
#include "store/postgres/schema_first.hpp"
#include "store/postgres/schema_rollups.hpp"

namespace ble {
namespace {

struct Step {
    const char *what;
    std::string sql;
};

// The first makes version 1 of nothing, and so on.
const Step steps[] = {{"create the tables", std::string(postgres_schema::tables) + postgres_schema::views},
                      {"keep rollups of five minutes and of days", postgres_schema::rollups}};

// 0: there is none.
std::int64_t version_of(Connection &connection) {
    if (connection.execute("SELECT to_regclass('blepipe.state') IS NOT NULL").text(0, 0) != "t") return 0;
    const auto version = connection.execute("SELECT version FROM blepipe.state").integer(0, 0);
    if (version > postgres_version) refuse_newer_postgres(connection, version);
    return version;
}

// Names, places and details are of any script.
void refuse_encoding(Connection &connection) {
    const Answer answer = connection.execute("SHOW server_encoding");
    if (answer.text(0, 0) == "UTF8") return;
    throw Error(ExitCode::config,
                "the database " + connection.name() + " keeps text as " + std::string(answer.text(0, 0)) +
                    ", which cannot hold every name: make another one by CREATE DATABASE … TEMPLATE "
                    "template0 ENCODING 'UTF8'");
}

// With the lock: else another process may just be creating ours.
void refuse_foreign(Connection &connection) {
    const auto others = connection.execute(
        "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = "
        "'blepipe'");
    if (others.integer(0, 0) == 0) return;
    throw Error(ExitCode::config, "the database " + connection.name() +
                                      " has a schema blepipe of another program: give another database");
}

void bring_forward(Connection &connection, std::int64_t version) {
    connection.execute("CREATE SCHEMA IF NOT EXISTS blepipe");
    const bool is_new = version == 0;
    for (; version < postgres_version; ++version) {
        const Step &step = steps[version];
        if (!is_new)
            log_info("database " + connection.name() + ": version " + std::to_string(version) + " to " +
                     std::to_string(version + 1) + ": " + step.what);
        connection.execute(step.sql);
    }
    connection.execute("UPDATE state SET epoch = epoch + 1, version = " + std::to_string(postgres_version));
}

}  // namespace

const std::int64_t postgres_version = std::size(steps);

void refuse_newer_postgres(const Connection &connection, std::int64_t version) {
    throw Error(ExitCode::config, "the database " + connection.name() + " has version " +
                                      std::to_string(version) + ", this program knows versions up to " +
                                      std::to_string(postgres_version) + ": upgrade blepipe");
}

void check_postgres_schema(Connection &connection) {
    const auto version = version_of(connection);
    if (version == postgres_version) return;
    throw Error(
        ExitCode::config,
        "the database " + connection.name() +
            (version == 0
                 ? " has no schema blepipe that we can see: bleingest has not stored anything in it, or the "
                   "role may not use it"
                 : " has version " + std::to_string(version) +
                       ", which this program cannot read: run this version of bleingest on it once, to "
                       "upgrade the database"));
}

void open_postgres_schema(Connection &connection) {
    refuse_encoding(connection);
    if (version_of(connection) == postgres_version) return;
    const Connection::Patient patient(connection);
    connection.execute(lock_schema);
    try {
        connection.execute("BEGIN");
        const auto version = version_of(connection);
        if (version == 0) refuse_foreign(connection);
        bring_forward(connection, version);
        connection.execute("COMMIT");
    } catch (...) {
        connection.close();
        throw;
    }
    connection.execute(unlock_schema);
}

}  // namespace ble
