#include "transport/confirmed_publisher.hpp"

#include <algorithm>
#include <utility>

#include "batch/message.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

// What may wait for its confirmation: enough for some 10 000 messages a second at 100 ms, and bounded in memory.
constexpr std::size_t most_messages = 1024, most_lines = 8192, most_bytes = 16 << 20;
constexpr std::size_t runs_followed = 8;  // idle ones included
constexpr int most_patience = 10;         // in times of the timeout

}  // namespace

ConfirmedPublisher::ConfirmedPublisher(const MqttOptions &options, std::size_t inflight,
                                       const std::string &status_topic, milliseconds timeout)
    : topic_(options.topic),
      timeout_(timeout),
      patience_(timeout),
      publisher_(options, inflight, status_topic) {}

milliseconds ConfirmedPublisher::timeout() const {
    const auto due = publisher_.timeout();
    if (messages_.empty() || !messages_.begin()->second.acknowledged) return due;
    const auto left =
        std::max(milliseconds(0), std::chrono::ceil<milliseconds>(waits_since() + patience_ - Clock::now()));
    return due.count() < 0 ? left : std::min(left, due);
}

// A backend that confirms, however slowly, comes to the oldest in its turn: sent again meanwhile, it would only stand in the
// backend's way once more.
ConfirmedPublisher::Clock::time_point ConfirmedPublisher::waits_since() const {
    return std::max(messages_.begin()->second.since, oldest_since_);
}

std::size_t ConfirmedPublisher::window() const {
    const std::size_t room = publisher_.window();
    if (room == 0) return 0;
    const bool full = messages_.size() >= most_messages || lines_ >= most_lines || bytes_ >= most_bytes;
    return messages_.size() + (full || room <= unacknowledged_ ? 0 : room - unacknowledged_);
}

std::string ConfirmedPublisher::status() const {
    const std::size_t waiting = messages_.size() - unacknowledged_;
    return publisher_.status() +
           (waiting > 0 ? "; " + std::to_string(waiting) + " messages await confirmation" : "");
}

void ConfirmedPublisher::send(std::uint64_t id, std::string_view payload) {
    Message &message = messages_[id];
    message.bytes = payload.size();
    for (const auto &line : split_message(payload)) {  // as the backend will see them
        auto name = name_line(parser_, line);
        if (!name) continue;  // nobody will confirm what is no batch
        follow(name->run_id);
        open_.emplace(*name, id);
        message.lines.push_back(std::move(*name));
    }
    message.open = message.lines.size();
    lines_ += message.lines.size();
    bytes_ += message.bytes;
    ++unacknowledged_;
    publisher_.send(id, payload);
}

// Subscribes before the first line of a run goes out, so that no confirmation comes too early.
void ConfirmedPublisher::follow(const std::string &run_id) {
    const auto [run, added] = runs_.try_emplace(run_id, 0);
    ++run->second;
    if (!added) return;
    publisher_.subscribe(confirmation_topic(topic_, run_id));
    for (auto other = runs_.begin(); other != runs_.end() && runs_.size() > runs_followed;) {
        if (other->second == 0) publisher_.unsubscribe(confirmation_topic(topic_, other->first));
        other = other->second == 0 ? runs_.erase(other) : std::next(other);
    }
}

std::vector<Result> ConfirmedPublisher::step() {
    std::vector<Result> out;
    auto results = publisher_.step();
    // First the good news: what is confirmed need not be sent again, whatever became of its PUBACK.
    for (const auto &text : publisher_.take_messages()) confirm(text);
    for (auto &result : results) take(std::move(result), out);
    settle(out);
    if (std::exchange(links_, publisher_.links()) != publisher_.links())
        give_up("the broker may have lost it with the link", out);
    if (!messages_.empty() && messages_.begin()->second.acknowledged &&
        Clock::now() - waits_since() >= patience_) {
        if (silence_said_.due())
            log_warning(
                "no confirmation for " +
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(patience_).count()) +
                " s: sending again what the backend has not confirmed (does it run, with blesub --confirm? "
                "may we read " +
                confirmation_topic(topic_, "+") + "?)");
        patience_ = std::min(2 * patience_, most_patience * timeout_);
        give_up("not confirmed in time", out);
    }
    return out;
}

void ConfirmedPublisher::take(Result result, std::vector<Result> &out) {
    const auto found = messages_.find(result.id);
    if (found == messages_.end()) return;
    Message &message = found->second;
    if (!std::exchange(message.acknowledged, true)) --unacknowledged_;
    message.since = Clock::now();
    const bool taken = result.outcome == Outcome::delivered;
    if (message.lines.empty() ? taken : message.open == 0) {
        confirmed_.push_back(result.id);
    } else if (taken && message.given_up) {
        out.push_back({result.id, Outcome::retry, "sent again with those before it"});
        forget(found);
    } else if (result.outcome == Outcome::refused) {
        out.push_back(std::move(result));
        forget(found);
    } else if (result.outcome == Outcome::retry || result.outcome == Outcome::later) {
        const std::string reason = result.reason;
        out.push_back(std::move(result));
        forget(found);
        give_up(reason, out);
    }
}

// All that is not confirmed: what the broker has acknowledged now, the rest when it does.
void ConfirmedPublisher::give_up(const std::string &reason, std::vector<Result> &out) {
    for (auto message = messages_.begin(); message != messages_.end();) {
        const auto next = std::next(message);
        message->second.given_up = true;
        if (message->second.acknowledged && message->second.open > 0) {
            out.push_back({message->first, Outcome::retry, reason});
            forget(message);
        }
        message = next;
    }
}

void ConfirmedPublisher::confirm(const std::string &text) {
    const auto confirmation = parse_confirmation(text);
    if (!confirmation) {
        log_debug("what came on the topic of confirmations is none: " + printable(text.substr(0, 200)));
        return;
    }
    const auto name = [&](bool is_gap, std::uint64_t from, std::uint64_t to) {
        return LineName{confirmation->device_id, confirmation->run_id, is_gap, from, to};
    };
    for (const auto &[from, to] : confirmation->batches)
        confirm(name(false, from, from), name(false, to, to));
    for (const auto &[from, to] : confirmation->gaps) confirm(name(true, from, to), name(true, from, to));
}

void ConfirmedPublisher::confirm(const LineName &from, const LineName &to) {
    if (to < from) return;
    const auto first = open_.lower_bound(from), last = open_.upper_bound(to);
    for (auto line = first; line != last; ++line) {
        Message &message = messages_.at(line->second);
        if (--message.open == 0 && message.acknowledged) confirmed_.push_back(line->second);
        patience_ = timeout_;
    }
    open_.erase(first, last);
}

void ConfirmedPublisher::settle(std::vector<Result> &out) {
    for (const auto id : std::exchange(confirmed_, {})) {
        out.push_back({id, Outcome::delivered, ""});
        forget(messages_.find(id));
    }
}

void ConfirmedPublisher::forget(Messages::iterator found) {
    const auto &[id, message] = *found;
    for (const auto &line : message.lines) {
        --runs_.at(line.run_id);
        if (message.open == 0) continue;
        const auto [first, last] = open_.equal_range(line);
        for (auto one = first; one != last;) one = one->second == id ? open_.erase(one) : std::next(one);
    }
    lines_ -= message.lines.size();
    bytes_ -= message.bytes;
    if (!message.acknowledged) --unacknowledged_;
    if (found == messages_.begin()) oldest_since_ = Clock::now();
    messages_.erase(found);
}

}  // namespace ble
