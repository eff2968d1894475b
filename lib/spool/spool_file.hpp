// The file of a durable spool: locked, of our schema, and sound. A damaged one is set aside first, never emptied.
#pragma once

#include <memory>
#include <string>

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

}  // namespace ble
