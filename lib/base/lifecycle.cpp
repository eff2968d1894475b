#include "base/lifecycle.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

UniqueFd make_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) throw system_error("receive signals");
    return fd;
}

UniqueFd make_timer(milliseconds first, bool repeat) {
    UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    itimerspec spec{};
    spec.it_value = {.tv_sec = first.count() / 1000, .tv_nsec = first.count() % 1000 * 1'000'000};
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

Lifecycle::Lifecycle(const CommonOptions &options, const Counters &counters, std::function<void()> refresh)
    : options_(options),
      counters_(counters),
      refresh_(std::move(refresh)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      signals_(make_signals()) {
    constexpr milliseconds metrics_period(15'000);
    std::signal(SIGPIPE, SIG_IGN);
    if (options_.stats.count() > 0) stats_timer_ = make_timer(options_.stats, true);
    if (!options_.metrics.empty()) metrics_timer_ = make_timer(metrics_period, true);
    if (options_.run_for.count() > 0) end_timer_ = make_timer(options_.run_for, false);
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0)
        watchdog_timer_ = make_timer(milliseconds(watchdog_us / 2000), true);
    for (const auto *fd : {&signals_, &stats_timer_, &metrics_timer_, &end_timer_, &watchdog_timer_}) {
        if (!*fd) continue;
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0)
            throw system_error("wait for events");
    }
}

Lifecycle::~Lifecycle() {
    ::sd_notify(0, "STOPPING=1");
    if (!options_.metrics.empty()) write_metrics();
}

void Lifecycle::handle() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (info.ssi_signo == static_cast<unsigned>(SIGUSR1)) {
            report();
        } else {
            stopping_ = true;
        }
    }
    if (fired(stats_timer_)) report();
    if (fired(metrics_timer_)) write_metrics();
    if (fired(end_timer_)) stopping_ = ran_out_ = true;
    if (fired(watchdog_timer_) && progressed_) {
        progressed_ = false;
        ::sd_notify(0, "WATCHDOG=1");
    }
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
    ::sd_notify(0, ((ready_ ? "STATUS=" : "READY=1\nSTATUS=") + text).c_str());
    if (!ready_ && !options_.metrics.empty())
        write_metrics();  // a scraper need not wait for the first period
    ready_ = true;
}

void Lifecycle::status(const std::string &text) {
    ::sd_notify(0, ("STATUS=" + text).c_str());
}

void Lifecycle::progress() {
    progressed_ = true;
}

void Lifecycle::report() {
    if (refresh_) refresh_();
    log_asked(counters_.json(options_.tool));
}

void Lifecycle::write_metrics() {
    if (refresh_) refresh_();
    const std::string text = counters_.prometheus(options_.tool);
    const std::string next = options_.metrics + ".new";  // a scraper never sees half a file
    FILE *file = std::fopen(next.c_str(), "we");
    const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool closed = file != nullptr && std::fclose(file) == 0;
    if (written && closed && std::rename(next.c_str(), options_.metrics.c_str()) == 0) return;
    log_warning(system_error("write metrics to " + options_.metrics).what());
    if (file != nullptr) ::unlink(next.c_str());
}

}  // namespace ble
