#include "store/postgres/doctor.hpp"

#include <chrono>
#include <optional>

#include "base/error.hpp"
#include "store/doctor.hpp"
#include "store/postgres/connection.hpp"
#include "store/postgres/schema.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds patience(15);

}  // namespace

Findings examine_postgres(const std::string &uri) {
    const auto end = std::chrono::steady_clock::now() + patience;
    Connection connection(uri, [end] { return std::chrono::steady_clock::now() < end; });
    Findings all;
    bool has_schema = false;
    all.push_back(
        attempt("database", "psql '" + uri + "'; is the server up, and is the password in PGPASSFILE?", [&] {
            connection.connect();
            has_schema = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'blepipe'")
                             .integer(0, 0) > 0;
            if (!has_schema)
                return std::string("the server answers; the first start makes the schema blepipe");
            check_postgres_schema(connection);
            return "the server answers; the schema blepipe is ours, of version " +
                   std::to_string(postgres_version);
        }));
    if (!works(all) || !has_schema) {
        all.push_back(Finding::unknown("writable"));
        all.push_back(Finding::unknown("newest"));
        return all;
    }
    all.push_back(
        attempt("writable", "bleingest(1), \"PostgreSQL\", has the roles; df -h at the server", [&] {
            connection.execute("BEGIN");
            connection.execute("UPDATE blepipe.state SET epoch = epoch");
            connection.rollback();
            return std::string("a transaction could be made, and was rolled back");
        }));
    connection.rollback();
    try {
        const auto newest = connection.execute("SELECT max(received_at) FROM blepipe.batches");
        all.push_back(
            judge_newest(newest.is_null(0, 0) ? std::nullopt : std::optional(newest.integer(0, 0))));
    } catch (const Error &error) {
        all.push_back(Finding::failed("newest", error.what(), "psql '" + uri + "'"));
    }
    return all;
}

}  // namespace ble
