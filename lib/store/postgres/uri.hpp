// What a URI of libpq says, as far as we must know.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace ble {

// Why we do not accept it; empty: we do. Repeats nothing of it, because it may hold a password.
std::string fault_of_postgres_uri(const std::string &uri);

// Does it say which of several hosts to use, here or in libpq's defaults?
bool chooses_host(const std::string &uri);

// One of the hosts that a URI, or where libpq reads its defaults, names: as libpq's options. Empty: as it is there.
struct PostgresHost {
    std::string host, hostaddr, port;
};

// In their order, at least one. An empty one stands for all, if libpq must separate them itself.
std::vector<PostgresHost> hosts_of(const std::string &uri);

// One for each address of its name: libpq never gets past an address that does not answer. Waits for the lookup.
std::vector<PostgresHost> each_address(const PostgresHost &host);

// How long each may take, when that is said.
std::optional<std::chrono::seconds> connect_timeout_of(const std::string &uri);

}  // namespace ble
