// The store's tables in PostgreSQL, in the schema blepipe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/tables.hpp"

namespace ble {

// `uri`: libpq's own. Throws as make_store() does.
std::unique_ptr<Tables> open_postgres_tables(const std::string &uri, const std::function<bool()> &go_on);

}  // namespace ble
