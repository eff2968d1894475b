// The store's schema in PostgreSQL, `blepipe`, and how an older one becomes a newer one.
#pragma once

#include "store/postgres/connection.hpp"

namespace ble {

// Creates the schema or brings it forward, in one transaction; one of several that start at once does it, the others wait. Error(config) for
// a newer version and for a schema of that name that is not ours; both are left untouched.
void open_postgres_schema(Connection &connection);

// Error(config) when a database that is only to be read has no schema of ours, or another version than this program's.
void check_postgres_schema(Connection &connection);

// The version that this program knows.
extern const std::int64_t postgres_version;
[[noreturn]] void refuse_newer_postgres(const Connection &connection, std::int64_t version);

}  // namespace ble
