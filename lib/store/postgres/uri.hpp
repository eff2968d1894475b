// What a URI of libpq says, as far as we must know.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace ble {

// Why it is none that we take; empty: it is one. Tells nothing of it, since it may hold a password.
std::string fault_of_postgres_uri(const std::string &uri);

// Is it said which of several hosts is to be taken: here, or where libpq reads its defaults?
bool chooses_host(const std::string &uri);

// One of the hosts that a URI, or where libpq reads its defaults, names: as libpq's options. Empty: as it is there.
struct PostgresHost {
    std::string host, hostaddr, port;
};

// In their order, at least one. One that is empty stands for all, where libpq has to part them itself.
std::vector<PostgresHost> hosts_of(const std::string &uri);

// One for each address that its name has: libpq does not come past one that says nothing. Waits for the lookup.
std::vector<PostgresHost> each_address(const PostgresHost &host);

// How long each may take, when that is said.
std::optional<std::chrono::seconds> connect_timeout_of(const std::string &uri);

}  // namespace ble
