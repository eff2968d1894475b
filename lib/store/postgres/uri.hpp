// What a URI of libpq says, as far as we must know.
#pragma once

#include <string>

namespace ble {

// Why it is none that we take; empty: it is one. Tells nothing of it, since it may hold a password.
std::string fault_of_postgres_uri(const std::string &uri);

// Is it said which of several hosts is to be taken: here, or where libpq reads its defaults?
bool chooses_host(const std::string &uri);

}  // namespace ble
