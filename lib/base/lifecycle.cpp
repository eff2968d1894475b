#include "base/lifecycle.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <algorithm>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

UniqueFd receive_signals(std::initializer_list<int> numbers) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : numbers) ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) throw system_error("receive signals");
    return fd;
}

bool is_ignored(int number) {
    struct sigaction action {};
    return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool has_terminal() {
    return static_cast<bool>(UniqueFd(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC)));
}

UniqueFd make_timer(milliseconds first, bool repeat) {
    UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    itimerspec spec{};
    const std::int64_t most = std::numeric_limits<time_t>::max();  // 68 years where it has 32 bits
    spec.it_value = {.tv_sec = static_cast<time_t>(std::min(first.count() / 1000, most)),
                     .tv_nsec = static_cast<long>(first.count() % 1000 * 1'000'000)};
    if (repeat) spec.it_interval = spec.it_value;
    if (!fd || ::timerfd_settime(fd.get(), 0, &spec, nullptr) != 0) throw system_error("set a timer");
    return fd;
}

// Has the timer fired since it was last asked?
bool fired(const UniqueFd &timer) {
    std::uint64_t count = 0;
    return timer && ::read(timer.get(), &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace

Lifecycle::Lifecycle(const CommonOptions &options, const Counters &counters, std::function<void()> refresh,
                     MoreMetrics more)
    : options_(options),
      counters_(counters),
      refresh_(std::move(refresh)),
      more_metrics_(std::move(more)),
      had_terminal_(!is_ignored(SIGHUP) && has_terminal()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      signals_(receive_signals({SIGTERM, SIGINT, SIGUSR1, SIGHUP})),
      parent_(::getppid()),
      session_(::getsid(0)),
      moments_{std::time(nullptr), 0} {
    constexpr milliseconds metrics_period(15'000);
    std::signal(SIGPIPE, SIG_IGN);
    if (options_.stats.count() > 0) stats_timer_ = make_timer(options_.stats, true);
    if (!options_.metrics.empty()) metrics_timer_ = make_timer(metrics_period, true);
    if (options_.run_for.count() > 0) end_timer_ = make_timer(options_.run_for, false);
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0)
        watchdog_timer_ = make_timer(milliseconds(watchdog_us / 2000), true);
    for (const auto *fd : {&signals_, &stats_timer_, &metrics_timer_, &end_timer_, &watchdog_timer_})
        if (*fd) watch(*fd);
}

void Lifecycle::watch(const UniqueFd &fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0)
        throw system_error("wait for events");
}

Lifecycle::~Lifecycle() {
    ::sd_notify(0, "STOPPING=1");
    if (!options_.metrics.empty()) write_metrics();
}

void Lifecycle::on_reload(std::function<void()> reload) {
    reload_ = std::move(reload);
    if (reload_wanted_) this->reload();
}

void Lifecycle::handle() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (info.ssi_signo == static_cast<unsigned>(SIGUSR1)) {
            report();
        } else if (info.ssi_signo == static_cast<unsigned>(SIGHUP)) {
            if (is_hang_up(info)) {
                log_info("the terminal is closed: ending");
                stopping_ = true;
            } else {
                reload();
            }
        } else {
            stopping_ = true;
        }
    }
    if (!input_not_read_.empty()) look_at_input();
    if (fired(stats_timer_)) report();
    if (fired(metrics_timer_)) write_metrics();
    if (fired(end_timer_)) stopping_ = ran_out_ = true;
    if (fired(status_timer_) && status_) status(status_());
    if (fired(watchdog_timer_) && progressed_) {
        progressed_ = false;
        ::sd_notify(0, "WATCHDOG=1");
    }
}

// The kernel tells a closed terminal's foreground job, and the shell those in its background; others mean a reload.
bool Lifecycle::is_hang_up(const signalfd_siginfo &signal) const {
    const auto sender = static_cast<pid_t>(signal.ssi_pid);
    const bool teller = signal.ssi_code == SI_KERNEL || sender == parent_ || sender == session_;
    return had_terminal_ && teller && !has_terminal();
}

void Lifecycle::reload() {
    reload_wanted_ = !reload_;
    if (reload_)
        reload_();
    else
        log_debug("SIGHUP: nothing to read again");
}

void Lifecycle::reads_no_input(const std::string &instead) {
    struct stat status {};
    if (::fstat(STDIN_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode)) return;
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0)
        input_not_read_ = options_.tool + " reads no input, and somebody writes to it: " + instead;
}

// Once: nobody takes the bytes away, nor the end of a writer, and either would wake us for ever.
void Lifecycle::look_at_input() {
    pollfd ask{STDIN_FILENO, POLLIN, 0};
    if (::poll(&ask, 1, 0) <= 0) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    if ((ask.revents & POLLIN) != 0) log_warning(input_not_read_);
    input_not_read_.clear();
}

bool Lifecycle::pause(milliseconds time) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + time;
    for (handle(); !stopping_; handle()) {
        progress();
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        if (left.count() <= 0) return true;
        pollfd ask{fd(), POLLIN, 0};
        ::poll(&ask, 1, static_cast<int>(left.count()));
    }
    return false;
}

void Lifecycle::ready(const std::string &text) {
    if (!ready_) log_debug("ready: " + text);
    if (!ready_) ::sd_notify(0, ("READY=1\nSTATUS=" + text).c_str());
    if (!ready_) status_told_ = text;
    status(text);
    if (!ready_ && !options_.metrics.empty())
        write_metrics();  // a scraper need not wait for the first period
    ready_ = true;
}

void Lifecycle::status(const std::string &text) {
    if (text == std::exchange(status_told_, text)) return;
    ::sd_notify(0, ("STATUS=" + text).c_str());
}

void Lifecycle::on_status(std::function<std::string()> text) {
    constexpr milliseconds status_period(2000);
    status_ = std::move(text);
    if (status_timer_ || std::getenv("NOTIFY_SOCKET") == nullptr) return;
    status_timer_ = make_timer(status_period, true);
    watch(status_timer_);
}

void Lifecycle::progress() {
    progressed_ = true;
}

void Lifecycle::report() {
    if (refresh_) refresh_();
    log_asked(counters_.json(options_.tool));
}

std::string Lifecycle::metrics() {
    if (refresh_) refresh_();
    if (const std::uint64_t out = counters_.out; out != std::exchange(out_told_, out))
        moments_.last_out = std::time(nullptr);
    const std::string own = std::filesystem::path(options_.metrics).stem();
    Exposition text(
        {{"tool", options_.tool}, {"instance", options_.instance.empty() ? own : options_.instance}});
    tell_metrics(counters_, moments_, text);
    if (more_metrics_) more_metrics_(text);
    return text.text();
}

void Lifecycle::write_metrics() {
    const std::string text = metrics();
    const std::string next = options_.metrics + ".new";  // a scraper never sees half a file
    // What is left of a killed one, or was put there by somebody else, is not written into.
    if (::unlink(next.c_str()) == 0 || errno == ENOENT) {
        const UniqueFd file(::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        const bool written =
            file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
        if (written && std::rename(next.c_str(), options_.metrics.c_str()) == 0) return;
    }
    log_warning(file_error("write metrics to", options_.metrics, ExitCode::io).what());
    ::unlink(next.c_str());
}

void read_again(const std::string &what, const std::function<void()> &read) {
    const ReadingAgain without_waiting;
    try {
        read();
        log_info("the " + what + " are read again");
    } catch (const Error &error) {
        log_error("the " + what + " stay as they were: " + error.what());
    }
}

}  // namespace ble
