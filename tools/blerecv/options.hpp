// What blerecv can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "batch/finding.hpp"
#include "server/access.hpp"
#include "server/api_keys.hpp"
#include "server/server_tls.hpp"

namespace ble {

struct ServeOptions {
    CommonOptions common;
    DoctorOptions doctor;
    std::string bind = "127.0.0.1";
    std::int64_t port = 8000;
    std::string prefix, metrics;
    std::string keys_file, new_key;
    std::vector<std::string> origins, proxies;
    TlsFiles tls;
    bool insecure = false;
    std::int64_t max_clients = 256, share = 0, rate = 2000;
    std::chrono::milliseconds client_timeout{30000};
    std::int64_t count = 0;
    ApiKeys keys;
};

void declare_serve_options(ServeOptions &o, CommandLine &line);
// Reads the keys too. Error(usage), or Error(config) where the environment or a file is wrong.
void validate_serve_options(ServeOptions &o, const CommandLine &line);

// The keys as they are now. Error(config): they cannot be read.
ApiKeys read_keys(const ServeOptions &o);
Access access_of(const ServeOptions &o);

}  // namespace ble
