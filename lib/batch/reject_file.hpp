// The reject file of every tool: lines that cannot be handled are set aside, never lost in silence and never in the way.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace ble {

struct Rejected {
    std::string_view line;
    std::string reason;
};

// Appends {"time":…,"reason":…,"line":…} (a line that is not UTF-8 as "line_hex"). Bounded: past `max_bytes` (what
// earlier runs left included) records are counted but not written, with one warning. Not thread-safe.
class RejectFile {
  public:
    // Empty path: records are only logged and counted. Nothing is opened before the first record.
    explicit RejectFile(std::string path, std::uint64_t max_bytes = 16u << 20);

    // On the disk for good when this returns, so that the line may be consumed; several lines cost one sync. Logs the
    // first and at most one a minute. Never throws for a full disk or a missing folder: warns instead.
    void add(std::string_view line, std::string_view reason);
    void add(std::span<const Rejected> lines);
    std::uint64_t count() const { return count_; }

  private:
    void keep(std::string_view line, std::string_view reason);
    bool open();
    void sync_folder();
    void sync();
    bool write(const std::string &record);
    void complain(const char *what);

    std::string path_;
    std::uint64_t max_bytes_, size_ = 0, count_ = 0;
    UniqueFd fd_;
    bool full_said_ = false, torn_ = false, unsynced_ = false;
    Throttle said_, trouble_said_;
};

}  // namespace ble
