// Signals and timers that every tool obeys, as one descriptor that any loop can hold: SIGTERM and SIGINT ask to stop,
// SIGHUP to read files again, SIGUSR1 and --stats print the counters, --metrics writes them, --run-for ends the tool, systemd's watchdog is fed.
// Construct it first in run(), before any thread: it blocks those signals and ignores SIGPIPE for the process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "base/counters.hpp"
#include "base/unique_fd.hpp"

struct signalfd_siginfo;

namespace ble {

// Options that every tool has; CommandLine declares them.
struct CommonOptions {
    std::string tool;
    bool check = false;                  // validate, connect to nothing
    std::chrono::milliseconds stats{0};  // interval; 0: only on SIGUSR1
    std::string metrics;   // Prometheus text file, written when ready, every 15 s and at the end
    std::string instance;  // its label; empty: the name of that file, without folder and ending
    std::chrono::milliseconds run_for{0};  // 0: for ever
};

class Lifecycle {
  public:
    using MoreMetrics = std::function<void(Exposition &)>;
    // `refresh` is called before counters are printed, to set queued and oldest_ms; `more` tells metrics beside the counters.
    // They may be empty.
    Lifecycle(const CommonOptions &options, const Counters &counters, std::function<void()> refresh = {},
              MoreMetrics more = {});
    ~Lifecycle();
    Lifecycle(const Lifecycle &) = delete;
    Lifecycle &operator=(const Lifecycle &) = delete;

    int fd() const { return epoll_.get(); }      // readable (level-triggered): call handle()
    void handle();                               // never blocks
    bool stopping() const { return stopping_; }  // SIGTERM, SIGINT or --run-for has passed
    bool ran_out() const { return ran_out_; }    // stopping because of --run-for
    void stop() { stopping_ = true; }
    // SIGHUP: handle() calls `reload`, which throws nothing; also for a SIGHUP that came before this call. Without it SIGHUP does nothing.
    // The SIGHUP of a terminal that is closed stops the tool instead, unless nohup(1) is used.
    void on_reload(std::function<void()> reload);
    // What --metrics writes, as it is now. Without --instance and --metrics there is no label `instance`.
    std::string metrics();
    // For a tool that does not read standard input: warns once when somebody writes into it through a pipe. Reads nothing.
    void reads_no_input(const std::string &instead);
    // Waits this long, handling signals and timers meanwhile. False: stopping, at once if it already is.
    bool pause(std::chrono::milliseconds time);

    // sd_notify(3): no effect outside systemd.
    void ready(const std::string &status);  // READY=1, once, when the tool can do its job; logged at debug
    void status(const std::string &text);   // STATUS=, for people; once for each text
    // From now on the status is what this says, asked every two seconds; an empty function ends that.
    void on_status(std::function<std::string()> text);
    void progress();  // the work goes on: the watchdog may be fed the next time

  private:
    void watch(const UniqueFd &fd);
    void look_at_input();
    bool is_hang_up(const signalfd_siginfo &signal) const;
    void reload();
    void report();
    void write_metrics();

    CommonOptions options_;
    const Counters &counters_;
    std::function<void()> refresh_, reload_;
    std::function<std::string()> status_;
    std::string status_told_;
    std::string input_not_read_;  // what to say of it; empty: nothing, or no more
    MoreMetrics more_metrics_;
    // And shall end with it. Asked before signals_ holds back the SIGHUP of a terminal that is being closed.
    const bool had_terminal_;
    UniqueFd epoll_, signals_, stats_timer_, metrics_timer_, end_timer_, watchdog_timer_, status_timer_;
    const pid_t parent_, session_;  // who tells that it is closed, besides the kernel
    bool reload_wanted_ = false;
    std::uint64_t out_told_ = 0;  // when the metrics were last told
    Moments moments_;             // last_out: when that had grown
    bool stopping_ = false, ran_out_ = false, ready_ = false, progressed_ = true;
};

// For on_reload(): calls `read`, which does not wait for a pipe (ReadingAgain, file.hpp), and logs that the `what` ("keys") were read again or, if it throws an Error, that they stay as they were: a
// wrong file must not stop a service.
void read_again(const std::string &what, const std::function<void()> &read);

}  // namespace ble
