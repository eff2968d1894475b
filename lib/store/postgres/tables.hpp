// The store's tables in PostgreSQL, in the schema blepipe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/tables.hpp"

namespace ble {

// `uri`: libpq's own. Throws as make_store() does.
std::unique_ptr<Tables> open_postgres_tables(const std::string &uri, std::function<bool()> go_on);

// Why it is no URI that we take; empty: it is one.
std::string fault_of_postgres_uri(const std::string &uri);

}  // namespace ble
