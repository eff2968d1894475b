#include "transport/http_judge.hpp"

#include <algorithm>
#include <utility>

#include "base/duration.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

milliseconds until(HttpJudge::Clock::time_point due, HttpJudge::Clock::time_point now) {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due - now));
}

}  // namespace

HttpJudge::HttpJudge(std::vector<std::string> urls, bool one_try, std::uint64_t seed)
    : servers_(urls.size()),
      current_(static_cast<std::size_t>(seed % urls.size())),
      last_well_(current_),
      one_try_(one_try) {
    for (std::size_t i = 0; i < urls.size(); ++i) servers_[i].url = std::move(urls[i]);
}

HttpJudge::Clock::time_point HttpJudge::check_due() const {
    return state_ == State::asking ? Clock::time_point() : servers_[current_].ready;
}

void HttpJudge::begin_check() {
    state_ = State::checking;
}

void HttpJudge::check_ended(const HttpEnd &end, Clock::time_point now) {
    if (end.outcome != HttpOutcome::delivered) return fail(end, now);
    Server &server = servers_[current_];
    if (!up_ && !post_failed_) {
        log_info("connected to " + server.url);
        complained_ = false;
        server.said.clear();
    } else if (current_ != last_well_ && server.connected_said.due(now)) {
        log_info("connected to " + server.url);
    }
    last_well_ = current_;
    up_ = true;
    open();
}

HttpJudge::Verdict HttpJudge::post_ended(const HttpEnd &end, Clock::time_point now) {
    HttpOutcome outcome = end.outcome;
    // A server that takes one batch a request does not know NDJSON; by itself each may be welcome.
    if (end.failure == 0 && end.answer.status == 415 && end.posted->several()) outcome = HttpOutcome::refused;
    if (outcome == HttpOutcome::refused && must_ask(end)) {
        if (state_ == State::waiting) return Verdict::retry;  // the next check is not about this one
        state_ = State::asking;
        return Verdict::ask;
    }
    if (outcome == HttpOutcome::delivered || outcome == HttpOutcome::refused) {
        if (state_ != State::waiting) take(end);
        return outcome == HttpOutcome::delivered ? Verdict::delivered : Verdict::refused;
    }
    fail(end, now);
    post_failed_ = true;
    return Verdict::retry;
}

// What refuses in no backend's words may be a proxy, which would refuse every batch: it is believed when the backend is there
// all the same.
bool HttpJudge::must_ask(const HttpEnd &end) const {
    return !end.answer.of_backend() && !end.posted->asked_again && !end.posted->several() && !one_try_;
}

void HttpJudge::take(const HttpEnd &end) {
    Server &server = servers_[end.server];
    if (complained_) log_info(server.url + " takes batches again");
    complained_ = post_failed_ = false;
    up_ = true;
    server.said.clear();
    server.connected_said.reset();
    server.backoff.reset();
    server.slow_backoff.reset();
}

// Of several requests that were on their way together the first failure counts; the others may ask for more time.
void HttpJudge::fail(const HttpEnd &end, Clock::time_point now) {
    Server &server = servers_[end.server];
    const bool first = state_ != State::waiting;
    if (first && up_ && !post_failed_) server.said.clear();
    if (first) trouble_ = end.text;
    up_ = false;
    if (one_try_) return turn_once(end);
    state_ = State::waiting;
    const auto asked = end.failure == 0 ? wait_asked(end.answer.retry_after, end.answer.date) : std::nullopt;
    if (!first && !asked) return;
    const bool slow = end.outcome == HttpOutcome::configuration;
    const milliseconds delay = asked  ? milliseconds(*asked)
                               : slow ? server.slow_backoff.next()
                                      : server.backoff.next();
    server.ready = first ? now + delay : std::max(server.ready, now + delay);
    if (end.server == current_) turn(now);
    if (first) complain(end, now);
}

// The first, after the present one, that need not be waited for, itself the last; else the one that can be asked soonest.
void HttpJudge::turn(Clock::time_point now) {
    std::size_t best = current_;
    auto soonest = Clock::time_point::max();
    for (std::size_t i = 1; i <= servers_.size(); ++i) {
        const std::size_t candidate = (current_ + i) % servers_.size();
        const auto ready = std::max(servers_[candidate].ready, now);
        if (ready >= soonest) continue;
        best = candidate;
        soonest = ready;
    }
    current_ = best;
}

// A message that was posted has had its try. One that was not has one server less.
void HttpJudge::turn_once(const HttpEnd &end) {
    current_ = (current_ + 1) % servers_.size();
    if (end.posted || ++asked_ >= servers_.size()) return open();
    state_ = State::waiting;
}

void HttpJudge::open() {
    state_ = State::open;
    asked_ = 0;
}

void HttpJudge::complain(const HttpEnd &end, Clock::time_point now) {
    const long kind = end.failure == 0 ? end.answer.status : -static_cast<long>(end.failure);
    if (!servers_[end.server].said[kind].due(now)) return;
    const milliseconds delay = until(servers_[current_].ready, now);
    const std::string where = servers_.size() > 1 ? ", at " + url() : "";
    log_warning(trouble_ + "; kept, next try " + (delay.count() > 0 ? "in " + in_seconds(delay) : "now") +
                where);
    complained_ = true;
    if (end.look_at) end.look_at();
}

void HttpJudge::stop_waiting(Clock::time_point now) {
    if (state_ != State::waiting) return;
    for (Server &server : servers_) {
        server.backoff.reset();
        server.slow_backoff.reset();
        server.ready = now;
    }
}

std::string HttpJudge::status(Clock::time_point now) const {
    if (up_) return "connected to " + url();
    if (state_ != State::waiting) return trouble_;
    return trouble_ + ", next try in " + in_seconds(until(check_due(), now));
}

}  // namespace ble
