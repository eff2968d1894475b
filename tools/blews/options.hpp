// What blews can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "batch/finding.hpp"
#include "server/access.hpp"
#include "server/server_tls.hpp"
#include "server/web_site.hpp"
#include "server/workers.hpp"

namespace ble {

struct BroadcastOptions {
    CommonOptions common;
    DoctorOptions doctor;
    std::string bind = "127.0.0.1", www, db, token_file, slow = "drop";
    TlsFiles tls;
    std::optional<std::string> token;  // of token_file or the environment, read once
    std::string prefix, metrics;
    std::vector<std::string> origins, proxies;
    std::int64_t port = 8765, max_clients = 1024, share = 0, rate = 2000, queue = 1024, count = 0;
    std::chrono::milliseconds client_timeout = std::chrono::seconds(10), ping = std::chrono::seconds(30),
                              stats_update = std::chrono::seconds(10), linger = std::chrono::seconds(5),
                              question_timeout = std::chrono::seconds(10);
    bool insecure = false, stay = false;
};

void declare_broadcast_options(BroadcastOptions &o, CommandLine &line);
// Reads the token too. Error(usage), or Error(config) where the environment or a file is wrong.
void validate_broadcast_options(BroadcastOptions &o, const CommandLine &line);

// The token as it is now; empty: there is none. Error(config): it cannot be read.
std::optional<std::string> token_of(const BroadcastOptions &o);
Access access_of(const BroadcastOptions &o);
WebSite::Options pages_of(const BroadcastOptions &o);
// Those that answer what is asked of --db.
Workers::Options workers_of(const BroadcastOptions &o);

}  // namespace ble
