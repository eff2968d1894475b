// What bletop can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/command_line.hpp"
#include "transport/curl_multi.hpp"

namespace ble {

struct TopOptions {
    CommonOptions common;
    std::string url, token_file, sort, filter;
    CurlTls tls;
    std::optional<std::string> token;  // of token_file or the environment, read once
    bool pis = false, reverse = false, plain = false;
    std::chrono::milliseconds every = std::chrono::seconds(2), forget = std::chrono::minutes(10);
    std::int64_t rows = 20, most = 10'000;
    std::size_t column = 0;  // of `sort`: set by validate_top_options()
};

void declare_top_options(TopOptions &o, CommandLine &line);
// Reads the token too. Error(usage), or Error(config) where the environment or a file is wrong.
void validate_top_options(TopOptions &o, const CommandLine &line);

}  // namespace ble
