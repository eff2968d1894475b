// The file of a durable spool: locked, of our schema, and sound. A damaged one is set aside first, never emptied.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/timestamp.hpp"
#include "base/unique_fd.hpp"
#include "sqlite/database.hpp"

namespace ble {

class SpoolFile {
  public:
    // Opens or creates it. Error(unavailable): another process has it; Error(config): it is of a newer version or of
    // another program, or its folder is absent; Error(permission). SqliteError(trouble): the disk is full, or the like; try
    // again. Reads the whole file once, to find damage.
    explicit SpoolFile(const std::string &path);

    Database &database() { return *database_; }

  private:
    void lock();
    void open();
    void set_aside(const std::string &why);

    std::string path_;
    UniqueFd lock_;  // closed last: closing any descriptor of the file drops SQLite's own locks
    std::unique_ptr<Database> database_;
};

// What a spool holds; what was delivered in the last minute may still be among it.
struct SpoolStatus {
    std::uint64_t batches = 0, bytes = 0, gaps = 0;
    std::optional<Time> oldest;  // of the first line; empty as well when its time cannot be
    std::uint64_t dropped = 0, expired = 0, unnamed = 0;  // since the spool was made
    std::uint64_t too_old = 0;                            // of the batches: older than max_age
};

// Throws what SpoolFile throws, and SqliteError(foreign) for a damaged one, unless the damage is where nothing of this stands: to
// find all of it takes reading the whole file, as the next start does. Takes no lock: works beside a process that uses the
// spool, and changes nothing. With a max_age of 0 nothing is too old.
SpoolStatus read_spool_status(const std::string &path, std::chrono::milliseconds max_age = {});

}  // namespace ble
