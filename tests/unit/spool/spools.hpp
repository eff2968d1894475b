// Lines for a spool, and the spools under test.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "batch/batch.hpp"
#include "catch.hpp"
#include "spool/durable_spool.hpp"
#include "spool/ram_spool.hpp"

namespace ble::test {

inline const std::string usual_run = "9f2c41d07a6be813", usual_device = "pi-lab-1";

inline std::string batch(unsigned seq, const std::string &run = usual_run,
                         const std::string &device = usual_device) {
    return R"({"format":1,"device_id":")" + device + R"(","run_id":")" + run + R"(","seq":)" +
           std::to_string(seq) + R"(,"timestamp":"2026-11-22T06:30:10.000Z","detections":[]})";
}

inline std::string gap(unsigned from, unsigned to, const std::string &run = usual_run,
                       const std::string &device = usual_device, const std::string &reason = "buffer_full") {
    const auto time = parse_rfc3339("2026-11-22T06:30:10Z");  // of all batches here
    return print_gap({device, run, from, to, reason, {}, {time, time, {}}});
}

inline const std::string nameless =
    R"({"device_id":"old-pi","timestamp":"2026-11-22T06:30:10Z","detections":[]})";

inline std::size_t push(Spool &spool, const std::vector<std::string> &lines,
                        WhenFull when_full = WhenFull::drop) {
    const std::vector<std::string_view> views(lines.begin(), lines.end());
    return spool.push(views, when_full);
}

// Delivers all that waits.
inline std::vector<std::string> drain(Spool &spool) {
    std::vector<std::string> lines;
    while (const auto entry = spool.next()) {
        lines.emplace_back(entry->line);
        spool.remove(entry->id);
    }
    return lines;
}

// A folder that goes with the test.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    std::filesystem::path operator/(const char *name) const { return path_ / name; }
    const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

class InMemory {
  public:
    static constexpr int rounds = 200;  // of a random test
    explicit InMemory(std::size_t capacity) : spool_(std::make_unique<RamSpool>(capacity)) {}
    Spool &spool() const { return *spool_; }

  private:
    std::unique_ptr<Spool> spool_;
};

class OnDisk {
  public:
    static constexpr int rounds = 15;  // each push is a sync
    explicit OnDisk(std::size_t capacity)
        : spool_(std::make_unique<DurableSpool>(folder_ / "spool",
                                                DurableSpool::Bounds{capacity, 1'000'000'000})) {}
    Spool &spool() const { return *spool_; }

  private:
    Folder folder_;
    std::unique_ptr<Spool> spool_;
};

}  // namespace ble::test
