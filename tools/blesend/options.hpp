// What blesend can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/lifecycle.hpp"
#include "batch/finding.hpp"
#include "transport/transport_options.hpp"

namespace ble {

class CommandLine;

struct SendOptions {
    CommonOptions common;
    std::string mode, policy = "drop-oldest", reject;
    std::vector<std::string> urls;
    std::string spool;    // empty: in memory
    bool status = false;  // only say what the spool holds
    DoctorOptions doctor;
    TransportOptions transport;
    std::int64_t buffer = 100, inflight = 64, coalesce = 1, count = 0;
    std::int64_t spool_max = 100'000, spool_max_bytes = 500'000'000;
    std::chrono::milliseconds drop_after = std::chrono::seconds(5), drain_timeout{0};
    std::chrono::milliseconds max_age{0};  // 0: any
    bool input_is_file = false;  // set by validate_send_options(): a file presses nobody, it can wait

    bool one_try() const { return buffer == 0; }  // the first implementation's manner: no spool
};

void declare_send_options(SendOptions &options, CommandLine &line);
void validate_send_options(SendOptions &options, const CommandLine &line);

}  // namespace ble
