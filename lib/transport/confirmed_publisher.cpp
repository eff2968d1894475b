#include "transport/confirmed_publisher.hpp"

#include <algorithm>
#include <utility>

#include "batch/message.hpp"
#include "batch/topic.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

// What may wait for its confirmation: enough for some 10 000 messages a second at 100 ms, and bounded in memory.
constexpr std::size_t most_messages = 1024, most_lines = 8192, most_bytes = 16 << 20;
constexpr std::size_t most_followed = 1000;  // topics, idle ones included
constexpr int most_patience = 10;            // in times of the timeout

}  // namespace

ConfirmedPublisher::ConfirmedPublisher(const TransportOptions &options)
    : told_on_(confirmation_topic(options.mqtt.topic, TopicPattern::device)),
      key_(options.confirm_key),
      timeout_(options.confirm_timeout),
      patience_(options.confirm_timeout),
      publisher_(options.mqtt, options.inflight, options.status_topic) {
    if (!key_)
        log_warning("without --confirm-key anybody who may publish on " + told_on_ +
                    " can say that a batch is stored: give blesend and blesub --confirm the same key, made "
                    "by openssl rand -hex 32 >FILE");
}

void ConfirmedPublisher::renew(const TransportOptions &options) {
    key_ = options.confirm_key;
    publisher_.renew(options);
}

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
    const std::string topic = publisher_.destination(payload);
    const auto lines = topic.empty() ? std::vector<std::string>() : split_message(payload);
    for (const auto &line : lines) {  // as the backend will see them
        auto named = name_line(parser_.parse(line), line);
        if (!named) continue;  // nobody will confirm what is no batch
        message.heard_on.insert(confirmation_topic(topic, named->name.device_id));
        open_.emplace(*named, id);
        message.lines.push_back(std::move(*named));
    }
    for (const auto &heard : message.heard_on) follow(heard);
    message.open = message.lines.size();
    lines_ += message.lines.size();
    bytes_ += message.bytes;
    ++unacknowledged_;
    publisher_.send(id, payload);
}

// Subscribes before the first line of a device goes out, so that no confirmation comes too early.
void ConfirmedPublisher::follow(const std::string &topic) {
    const auto [found, added] = followed_.try_emplace(topic, 0);
    ++found->second;
    if (!added) return;
    publisher_.subscribe(topic);
    for (auto other = followed_.begin(); other != followed_.end() && followed_.size() > most_followed;) {
        if (other->second == 0) publisher_.unsubscribe(other->first);
        other = other->second == 0 ? followed_.erase(other) : std::next(other);
    }
}

std::vector<Result> ConfirmedPublisher::step() {
    std::vector<Result> out;
    auto results = publisher_.step();
    // First the good news: what is confirmed need not be sent again, whatever became of its PUBACK.
    for (const auto &heard : publisher_.take_messages()) confirm(heard);
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
                told_on_ + "?)");
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

void ConfirmedPublisher::confirm(const MqttPublisher::Heard &heard) {
    const auto &[topic, text] = heard;
    if (key_ && !is_sealed(text, topic, *key_)) return warn_of_forgery(topic);
    const auto confirmation = parse_confirmation(text);
    if (!confirmation) {
        log_debug("a message on the topic of confirmations is not a confirmation: " +
                  printable(text.substr(0, 200)));
        return;
    }
    const auto take = [&](bool is_gap, const Confirmation::Line &line) {
        confirm({{confirmation->device_id, confirmation->run_id, is_gap, line.from_seq, line.to_seq},
                 line.digest});
    };
    for (const auto &line : confirmation->batches) take(false, line);
    for (const auto &line : confirmation->gaps) take(true, line);
}

void ConfirmedPublisher::confirm(const NamedLine &line) {
    const auto [first, last] = open_.equal_range(line);
    for (auto one = first; one != last; ++one) {
        Message &message = messages_.at(one->second);
        if (--message.open == 0 && message.acknowledged) confirmed_.push_back(one->second);
        patience_ = timeout_;
    }
    if (first == last) {
        const auto like = open_.lower_bound({line.name, {}});
        if (like != open_.end() && like->first.name == line.name) warn_of_other(line.name);
    }
    open_.erase(first, last);
}

void ConfirmedPublisher::warn_of_forgery(const std::string &topic) {
    ++forged_;
    if (forgery_said_.due())
        log_warning("a confirmation on " + printable(topic) +
                    " is not signed with our key, and is ignored (" + std::to_string(forged_) +
                    " since the start): does blesub --confirm have the same --confirm-key? Who else may "
                    "publish there?");
}

void ConfirmedPublisher::warn_of_other(const LineName &name) {
    ++others_;
    if (!other_said_.due()) return;
    const std::string range =
        std::to_string(name.from_seq) + (name.is_gap ? " to " + std::to_string(name.to_seq) : std::string());
    log_warning("the backend has another " + std::string(name.is_gap ? "gap line" : "batch") +
                " under this name: " + printable(name.device_id) + ", run " + printable(name.run_id) +
                ", seq " + range + " (" + std::to_string(others_) +
                " such confirmations since the start). Ours is kept until it is confirmed itself. Who else "
                "publishes as " +
                printable(name.device_id) + "?");
}

void ConfirmedPublisher::settle(std::vector<Result> &out) {
    for (const auto id : std::exchange(confirmed_, {})) {
        out.push_back({id, Outcome::delivered, ""});
        forget(messages_.find(id));
    }
}

void ConfirmedPublisher::forget(Messages::iterator found) {
    const auto &[id, message] = *found;
    for (const auto &topic : message.heard_on) --followed_.at(topic);
    for (const auto &line : message.lines) {
        if (message.open == 0) break;
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
