// What blescan can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/host.hpp"
#include "base/lifecycle.hpp"
#include "batch/finding.hpp"
#include "blescan/rules.hpp"
#include "radio/window/profile.hpp"

namespace ble {

class CommandLine;

struct ScanOptions {
    CommonOptions common;
    std::string source = "bluez";
    std::vector<std::string> adapters;
    std::chrono::milliseconds watchdog{90'000};
    bool passive = false;
    std::string record;
    std::string replay, speed = "max", hash_key, hash, irk;
    std::vector<std::string> allow, deny;
    std::string device_id, name, location, format = "json";
    std::chrono::milliseconds window{10'000}, interval{30'000}, hash_epoch{0};
    std::int64_t near_dbm = -60, medium_dbm = -75, min_rssi_dbm = -127, count = 0;
    bool now = false, each = false, counts = false, strict = false;
    DoctorOptions doctor;
    ProfileOptions profile;
    double speed_factor = 0;                    // set by validate_scan_options(), as are those below
    std::optional<DefaultDeviceId> default_id;  // device_id is this: none was given
    Rules rules;

    bool live() const { return replay.empty(); }
    // For people and scripts to look at; batches of a radio are for somebody who must have all of them, as --strict must.
    bool listing() const { return (each || !live()) && !strict; }
};

void declare_scan_options(ScanOptions &options, CommandLine &line);
// Reads keys and filters, opens nothing else.
void validate_scan_options(ScanOptions &options, const CommandLine &line);

}  // namespace ble
