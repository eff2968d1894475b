#include "blesend/sender.hpp"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>

#include "base/duration.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds drain_at_stop(5'000);  // SIGTERM without --drain-timeout

// The link does not run dry while more is taken. In memory there is room for few, and taking them costs next to nothing.
std::size_t enough_for(const SendOptions &given, const Spool &spool) {
    constexpr std::int64_t windows = 2, least = 128;
    if (!spool.durable()) return SIZE_MAX;
    const auto enough = std::max(windows * given.inflight * given.coalesce, least);
    return static_cast<std::size_t>(std::min<std::int64_t>(enough, std::numeric_limits<std::int32_t>::max()));
}

std::string in_words(std::chrono::duration<double> time) {
    const auto s = static_cast<long>(time.count());
    if (s < 120) return std::to_string(s) + " s";
    if (s < 120 * 60) return std::to_string(s / 60) + " min";
    if (s < 48 * 3600) return std::to_string(s / 3600) + " h";
    return std::to_string(s / 86400) + " days";
}

}  // namespace

Sender::Sender(const SendOptions &given, Counters &counters, Spool &spool, Lifecycle &lifecycle)
    : options_(given),
      counters_(counters),
      spool_(spool),
      lifecycle_(lifecycle),
      reject_(given.reject),
      intake_(input_, spool_, reject_, counters_, static_cast<std::uint64_t>(given.count)),
      transport_options_(given.transport),
      transport_(make_transport(given.mode, given.transport)),
      delivery_(spool_, *transport_, reject_, counters_, static_cast<std::size_t>(given.coalesce),
                given.one_try() ? Delivery::OnFailure::drop : Delivery::OnFailure::keep),
      losses_(spool_, counters_),
      pace_(enough_for(given, spool)) {
    if (given.max_age.count() > 0) counters_.expired = 0;
}

ExitCode Sender::run() {
    log_info(options_.one_try() ? "no spool: each batch is tried once" : "spool: " + spool_.description());
    transport_->start();
    lifecycle_.on_reload([this] { reload(); });
    lifecycle_.ready(transport_->status());
    for (;;) {
        take_input();
        const auto held = spool_.size();
        delivery_.pump();
        room_made_ = spool_.size() < held;
        spool_.settle();
        losses_.tell();
        settle_end();
        if (done()) return finish();
        report();
        wait();
    }
}

// For how long the spool's head has waited in vain: a burst that is on its way out is not stalled.
milliseconds Sender::stalled_for() const {
    const auto idle = std::chrono::duration_cast<milliseconds>(Clock::now() - delivery_.last_progress());
    return std::min(idle, spool_.oldest_age());
}

bool Sender::has_enough() const {
    return pace_.has_enough(spool_.size() - spool_.in_flight(), delivery_.last_progress(), Clock::now());
}

void Sender::take_input() {
    if (!intake_.blocked() && (!pace_.is_due(Clock::now()) || has_enough())) return;
    const bool may_drop = options_.policy == "drop-oldest" && !options_.one_try() && spool_.full();
    intake_.take(may_drop && stalled_for() >= options_.drop_after ? WhenFull::drop : WhenFull::wait);
    pace_.looked(Clock::now());
}

void Sender::settle_end() {
    const bool limited = options_.drain_timeout.count() > 0;
    if (lifecycle_.stopping() && !std::exchange(stopped_, true)) {
        intake_.take(WhenFull::wait);  // what came before we were asked to stop
        intake_.stop();
        end_within(limited ? options_.drain_timeout : drain_at_stop);
    } else if (limited && intake_.finished() && !end_) {
        end_within(options_.drain_timeout);
    } else if (limited && options_.input_is_file && intake_.blocked() &&
               stalled_for() >= options_.drain_timeout) {
        log_warning("the rest of the input was not read");  // a file has ended from the start
        intake_.stop();
        end_within(milliseconds(0));
    }
}

void Sender::end_within(milliseconds time) {
    end_ = std::min(end_.value_or(Clock::time_point::max()), Clock::now() + time);
}

bool Sender::done() const {
    return intake_.finished() && (spool_.size() == 0 || (end_ && Clock::now() >= *end_));
}

std::string Sender::status() const {
    std::string text = transport_->status() + "; " + std::to_string(counters_.out) + " delivered, ";
    if (spool_.size() == 0) return text + "none waits";
    text += std::to_string(spool_.size()) + " wait";
    return stalled_for() >= milliseconds(5'000) ? text + ", the oldest for " + in_seconds(spool_.oldest_age())
                                                : text;
}

// Tells people and systemd how it goes.
void Sender::report() {
    lifecycle_.progress();
    counters_.connected = transport_->connected() ? 1 : 0;
    if (spool_.size() > 0 && progress_.due())
        progress_.update(std::to_string(counters_.out) + " delivered, " + std::to_string(spool_.size()) +
                         " queued");
    if (Clock::now() < next_report_) return;
    next_report_ = Clock::now() + std::chrono::seconds(1);
    lifecycle_.status(status());
    const auto pace = intake_.pace();
    if (pace_said_ || !pace || options_.one_try()) return;
    pace_said_ = true;
    log_info("at the present rate the spool lasts " +
             in_words(*pace * static_cast<double>(spool_.capacity())));
}

void Sender::reload() {
    read_again("secrets", [this] {
        TransportOptions renewed = transport_options_;
        renewed.reread_secrets(options_.mode);
        transport_->renew(renewed);
        transport_options_ = std::move(renewed);
    });
}

void Sender::wait() {
    const bool wants_input = !intake_.finished() && !intake_.blocked() && !has_enough();
    auto time = transport_->timeout();
    const auto at_most = [&](milliseconds most) { time = time.count() < 0 ? most : std::min(time, most); };
    if (!intake_.finished()) at_most(room_made_ && intake_.blocked() ? milliseconds(0) : IntakePace::longest);
    if (delivery_.expiring()) at_most(milliseconds(0));
    if (end_) at_most(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*end_ - Clock::now())));
    pollfd fds[] = {{lifecycle_.fd(), POLLIN, 0},
                    {transport_->fd(), POLLIN, 0},
                    {wants_input ? input_.event_fd() : -1, POLLIN, 0}};
    ::poll(fds, std::size(fds), static_cast<int>(time.count()));
    if (fds[0].revents != 0) lifecycle_.handle();
    if (fds[2].revents != 0) pace_.input_came();
}

ExitCode Sender::finish() const {
    if (counters_.dropped > 0)
        log_warning(std::to_string(counters_.dropped) + " batches were dropped in all");
    if (const auto expired = counters_.expired.get().value_or(0); expired > 0)
        log_warning(std::to_string(expired) + " batches were older than --max-age and dropped");
    if (spool_.size() > 0) leave_behind();
    if (options_.count > 0 && !intake_.reached_limit() && lifecycle_.ran_out())
        throw Error(ExitCode::temporary, "--run-for has passed before --count was reached");
    return ExitCode::ok;
}

// A durable spool that was asked to stop has lost nothing: its rest is sent by the next start.
void Sender::leave_behind() const {
    const std::string text = std::to_string(spool_.size()) + " batches and gap lines are left undelivered";
    if (!spool_.durable())
        throw Error(ExitCode::temporary,
                    text + ", and are lost with the spool in memory; --spool FILE would keep them");
    const std::string kept = text + "; they stay in " + options_.spool;
    if (options_.drain_timeout.count() > 0) throw Error(ExitCode::temporary, kept);
    log_info(kept);
}

}  // namespace ble
