// Lines for a spool, and the spools under test.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "batch/batch.hpp"
#include "catch.hpp"
#include "spool/durable_spool.hpp"
#include "spool/ram_spool.hpp"
#include "spool/spool_status.hpp"

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

inline std::vector<std::string> batches(unsigned from, unsigned to) {
    std::vector<std::string> lines;
    for (unsigned seq = from; seq < to; ++seq) lines.push_back(batch(seq));
    return lines;
}

// One of each of so many runs: no two of them share a gap line.
inline std::vector<std::string> one_of_each_run(std::size_t runs) {
    std::vector<std::string> lines;
    for (std::size_t run = 0; run < runs; ++run) lines.push_back(batch(0, "run" + std::to_string(run)));
    return lines;
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

// A clock that a test can move on.
class Clock {
  public:
    void pass(std::chrono::milliseconds time) const { *passed_ += time; }
    Spool::Now now() const {
        return [passed = passed_] { return UptimeClock::now() + *passed; };
    }
    SpoolClocks clocks() const {
        return {now(), [passed = passed_] { return ble::now() + *passed; }, boot_id()};
    }

  private:
    std::shared_ptr<std::chrono::milliseconds> passed_ = std::make_shared<std::chrono::milliseconds>(0);
};

class InMemory : public Clock {
  public:
    static constexpr int rounds = 200;  // of a random test
    explicit InMemory(std::size_t capacity, std::chrono::milliseconds max_age = {})
        : spool_(std::make_unique<RamSpool>(capacity, max_age, now())) {}
    Spool &spool() const { return *spool_; }

  private:
    std::unique_ptr<Spool> spool_;
};

class OnDisk : public Clock {
  public:
    static constexpr int rounds = 15;  // each push is a sync
    explicit OnDisk(std::size_t capacity, std::chrono::milliseconds max_age = {})
        : spool_(std::make_unique<DurableSpool>(
              folder_ / "spool",
              DurableSpool::Bounds{capacity, 1'000'000'000, std::chrono::minutes(1), max_age}, clocks())) {}
    Spool &spool() const { return *spool_; }

  private:
    Folder folder_;
    std::unique_ptr<Spool> spool_;
};

// All of these are too old: what no gap line can tell of, since so many wait, is delivered.
inline void check_crowd_of_gaps(Spool &spool, const std::vector<std::string> &lines) {
    while (spool.expire()) {
    }
    CHECK(spool.loss().expired == GapLedger::most);
    CHECK(spool.loss().unnamed == 0);
    const auto sent = drain(spool);
    REQUIRE(sent.size() == lines.size());
    CHECK(sent.front() == gap(0, 0, "run0", usual_device, "expired"));
    CHECK(sent[GapLedger::most] == lines[GapLedger::most]);
    CHECK(sent.back() == lines.back());
}

// The files beside `path` that begin with its name and were set aside, without those that SQLite makes.
std::vector<std::filesystem::path> set_aside(const std::filesystem::path &path);

// As if its lines had come so many seconds earlier, by the wall clock and by the time that the machine was on.
void make_older(const std::filesystem::path &spool, std::int64_t wall_s, std::int64_t lived_s);

// What `body` leaves in the file when the process is killed in it.
template <class Body>
void die_after(Body body) {
    const auto child = ::fork();
    if (child == 0) {
        body();
        ::raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(WTERMSIG(status) == SIGKILL);
}

}  // namespace ble::test
