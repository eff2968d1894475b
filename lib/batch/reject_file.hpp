// The reject file of every tool: lines that cannot be handled are set aside, so that they are not lost and do not stop others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace ble {

struct Rejected {
    std::string_view line;
    std::string reason;
    // The line's sender, who gets only a share of the file. Empty: not known; all of those share one. Not set: a
    // line of ours, without a share.
    std::optional<std::string> from = {};
};

// Appends {"time":…,"from":…,"reason":…,"line":…} (a line that is not UTF-8 as "line_hex"; without "from" when not known). Bounded:
// past `max_bytes` records are counted but not written, with one warning; so are those of one sender past a quarter of it.
// What earlier runs left is included. Not thread-safe.
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
    using Shares = std::map<std::string, std::uint64_t, std::less<>>;  // bytes, by the name as JSON has it

    void keep(const Rejected &rejected);
    bool open();
    bool has_share(const std::string &from, std::size_t bytes);
    void read_shares();
    std::uint64_t &share_of(const std::string &from);
    void sync_folder();
    void sync();
    bool write(const std::string &record);
    void complain(const char *what);

    std::string path_;
    std::uint64_t max_bytes_, size_ = 0, count_ = 0;
    UniqueFd fd_;
    std::optional<Shares> shares_;  // none: not looked at yet
    bool full_said_ = false, torn_ = false, unsynced_ = false;
    Throttle said_, trouble_said_, share_said_;
};

}  // namespace ble
