// What the file of a durable spool holds, without taking it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/timestamp.hpp"

namespace ble {

// What a spool holds; what was delivered in the last minute may still be among it.
struct SpoolStatus {
    std::uint64_t batches = 0, bytes = 0, gaps = 0;
    std::optional<Time> oldest;  // of the first line; empty as well when its time cannot be
    std::uint64_t dropped = 0, expired = 0, unnamed = 0;  // since the spool was made
    std::uint64_t too_old = 0;                            // of the batches: older than max_age
};

// Throws what SpoolFile throws, and SqliteError(foreign) for a damaged one, unless the damage is elsewhere in the file: only
// the next start reads all of it. Takes no lock: works beside a process that uses the
// spool, and changes nothing. With a max_age of 0 nothing is too old.
SpoolStatus read_spool_status(const std::string &path, std::chrono::milliseconds max_age = {});

// For --check: Error(config) when SpoolFile would refuse what is at this path. Makes and locks nothing. Accepts one that cannot be read.
void check_spool(const std::string &path);

}  // namespace ble
