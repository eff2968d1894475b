// Signals and timers that every tool obeys, as one descriptor that any loop can hold: SIGTERM and SIGINT ask to stop,
// SIGUSR1 and --stats print the counters, --metrics writes them, --run-for ends the tool, systemd's watchdog is fed.
// Construct it first in run(), before any thread: it blocks those signals and ignores SIGPIPE for the process.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/counters.hpp"
#include "base/unique_fd.hpp"

namespace ble {

// Options that every tool has; CommandLine declares them.
struct CommonOptions {
    std::string tool;
    bool check = false;                  // validate, connect to nothing
    std::chrono::milliseconds stats{0};  // interval; 0: only on SIGUSR1
    std::string metrics;  // Prometheus text file, written when ready, every 15 s and at the end
    std::chrono::milliseconds run_for{0};  // 0: for ever
};

class Lifecycle {
  public:
    // `refresh` is called before counters are printed, to set queued and oldest_ms; it may be empty.
    Lifecycle(const CommonOptions &options, const Counters &counters, std::function<void()> refresh = {});
    ~Lifecycle();
    Lifecycle(const Lifecycle &) = delete;
    Lifecycle &operator=(const Lifecycle &) = delete;

    int fd() const { return epoll_.get(); }      // readable (level-triggered): call handle()
    void handle();                               // never blocks
    bool stopping() const { return stopping_; }  // SIGTERM, SIGINT or --run-for has passed
    bool ran_out() const { return ran_out_; }    // stopping because of --run-for
    void stop() { stopping_ = true; }
    // Lets this time pass; handles meanwhile, feeds the watchdog. False: stopping, at once when it already is.
    bool pause(std::chrono::milliseconds time);

    // sd_notify(3): no effect outside systemd.
    void ready(const std::string &status);  // READY=1, once, when the tool can do its job; logged at debug
    void status(const std::string &text);   // STATUS=
    void progress();                        // the job moves: the watchdog may be fed at its next turn

  private:
    void report();
    void write_metrics();

    CommonOptions options_;
    const Counters &counters_;
    std::function<void()> refresh_;
    UniqueFd epoll_, signals_, stats_timer_, metrics_timer_, end_timer_, watchdog_timer_;
    bool stopping_ = false, ran_out_ = false, ready_ = false, progressed_ = true;
};

}  // namespace ble
