// From a database to standard output, and what is said about it meanwhile.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/backoff.hpp"
#include "base/counters.hpp"
#include "base/counting_writer.hpp"
#include "base/lifecycle.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "bleexport/options.hpp"
#include "bleexport/place_file.hpp"
#include "store/archive.hpp"

namespace ble {

class Export {
  public:
    explicit Export(const ExportOptions &options);  // borrowed

    ExitCode run();

  private:
    using Clock = std::chrono::steady_clock;

    bool persist(const std::function<void()> &work);
    void open();
    void read_on();
    void hand_over(bool wait);
    void remember(bool now);
    void report();
    std::string progress() const;
    ExitCode finish();

    const ExportOptions &options_;
    Counters counters_;
    std::deque<std::pair<std::uint64_t, ArchivePlace>> unread_;  // by the writer's position: not consumed yet
    Lifecycle lifecycle_;
    CountingWriter writer_;
    PlaceFile file_;
    Progress progress_;
    Throttle progress_said_{std::chrono::seconds(10)}, trouble_said_, place_written_{std::chrono::seconds(1)};
    Backoff backoff_{std::chrono::milliseconds(50), std::chrono::milliseconds(5000)};
    std::unique_ptr<Archive> archive_;
    std::optional<ArchivePlace> place_;  // consumed, and not in the file yet
    std::uint64_t detections_ = 0;
    double began_with_ = 0;  // the share that was done before
    Clock::time_point began_ = Clock::now();
};

}  // namespace ble
