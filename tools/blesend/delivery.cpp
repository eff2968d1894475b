#include "blesend/delivery.hpp"

#include <algorithm>
#include <utility>

namespace ble {
namespace {

// Receivers part a message between } and {, and take the white space there for theirs.
bool may_share(std::string_view line) {
    return line.starts_with('{') && line.ends_with('}');
}

}  // namespace

Delivery::Delivery(Spool &spool, Transport &transport, RejectFile &reject, Counters &counters,
                   std::size_t coalesce, OnFailure on_failure)
    : spool_(spool),
      transport_(transport),
      reject_(reject),
      counters_(counters),
      coalesce_(coalesce),
      on_failure_(on_failure) {}

void Delivery::pump() {
    for (const Result &result : transport_.step()) settle(result);
    note_newest();
    // After a failure everything outstanding ends before the oldest is sent again: so order holds on each connection.
    if (rewinding_ && outstanding_.empty()) rewinding_ = false;
    expiring_ = false;
    transport_.cork();
    while (!rewinding_ && !trying_ && outstanding_.size() < transport_.window()) {
        expiring_ = spool_.expire();
        if (expiring_ || !send_next()) break;
    }
    transport_.uncork();
}

// Of several that were delivered together the last alone is looked at.
void Delivery::note_newest() {
    if (newest_.empty()) return;
    const ParsedLine parsed = parser_.parse(newest_);
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) counters_.note_window(batch->batch.timestamp);
    newest_.clear();
}

bool Delivery::send_next() {
    if (others_ > 0 && others_ * postponed_.size() >= most_others) return send_postponed();
    const auto first = spool_.next();
    if (!first) return send_postponed();
    std::string payload(first->line);
    Entries entries = {first->id};
    const bool alone = coalesce_ == 1 || first->id < alone_until_ || !may_share(first->line);
    const std::string destination = alone ? "" : transport_.destination(first->line);
    while (!alone && entries.size() < coalesce_) {
        const auto entry = spool_.next();
        if (!entry) break;
        if (payload.size() + 1 + entry->line.size() > most_joined_ || !may_share(entry->line) ||
            transport_.destination(entry->line) != destination) {
            spool_.give_back(entry->id);
            break;
        }
        payload.append("\n").append(entry->line);
        entries.push_back(entry->id);
    }
    outstanding_[first->id] = std::move(entries);
    transport_.send(first->id, payload);
    return true;
}

// Alone, so that what becomes of the link says something about it.
bool Delivery::send_postponed() {
    if (postponed_.empty() || !outstanding_.empty()) return false;
    const auto entry = postponed_.front();
    postponed_.pop_front();
    others_ = 0;
    trying_ = true;
    outstanding_[entry] = {entry};
    transport_.send(entry, spool_.line(entry));
    return true;
}

void Delivery::settle(const Result &result) {
    const bool tried = std::exchange(trying_, false);
    const Entries entries = std::move(outstanding_.at(result.id));
    outstanding_.erase(result.id);
    const bool again = result.outcome == Outcome::retry && on_failure_ == OnFailure::keep;
    if (result.outcome == Outcome::later || (again && tried)) {
        postponed_.insert(postponed_.end(), entries.begin(), entries.end());
        learn_from_part(entries.back(), result.outcome);
    } else if (again) {
        give_back(entries);
        rewinding_ = true;
    } else if (result.outcome == Outcome::refused && entries.size() > 1) {
        part(entries, result);
    } else {
        for (const auto entry : entries) finish(entry, result);
        last_progress_ = Clock::now();
    }
}

// One of them, or their number: sent one by one, only what is refused by itself is set aside.
void Delivery::part(const Entries &entries, const Result &result) {
    parted_bytes_ = 0;
    for (const auto entry : entries) parted_bytes_ += spool_.line(entry).size() + 1;
    one_at_fault_ = false;
    alone_until_ = std::max(alone_until_, entries.back() + 1);
    give_back(entries);
    if (parted_said_.due())
        log_warning("a message of " + std::to_string(entries.size()) +
                    " batches was refused, they are sent one by one: " + result.reason);
}

// When nothing is wrong with any of them, and again with the next ones, such messages are too large for the peer: smaller ones
// from now on.
void Delivery::learn_from_part(std::uint64_t entry, Outcome outcome) {
    if (parted_bytes_ == 0 || entry >= alone_until_) return;
    one_at_fault_ = one_at_fault_ || outcome != Outcome::delivered;
    if (entry + 1 != alone_until_) return;
    parted_in_vain_ = one_at_fault_ ? 0 : parted_in_vain_ + 1;
    if (parted_in_vain_ > 1) most_joined_ = std::min(most_joined_, parted_bytes_ / 2);
    parted_bytes_ = 0;
}

void Delivery::give_back(const Entries &entries) {
    for (const auto entry : entries) spool_.give_back(entry);
}

// The entry leaves the spool.
void Delivery::finish(std::uint64_t entry, const Result &result) {
    learn_from_part(entry, result.outcome);
    if (result.outcome == Outcome::delivered) {
        ++counters_.out;
        newest_ = spool_.line(entry);
        if (!postponed_.empty()) ++others_;
        spool_.remove(entry);
        tell_dropped();
    } else if (result.outcome == Outcome::refused) {
        reject_.add(spool_.line(entry), result.reason);
        ++counters_.rejected;
        spool_.give_up(entry, "refused");
    } else {
        drop(entry);
        if (dropped_said_.due())
            log_warning("dropped after one try (" + std::to_string(counters_.dropped) +
                        " so far): " + result.reason);
    }
}

void Delivery::drop(std::uint64_t entry) {
    const std::string line(spool_.line(entry));
    spool_.remove(entry);
    const ParsedLine parsed = parser_.parse(line);
    const auto *batch = std::get_if<ParsedBatch>(&parsed);
    if (batch == nullptr) {
        if (!dropped_.full()) dropped_.put(entry, {UptimeClock::now(), nullptr, line});
        return;
    }
    ++counters_.dropped;
    if (batch->batch.position)
        dropped_.lose(entry, UptimeClock::now(), gap_for(batch->batch, "not_delivered"));
}

// With one try for each, a gap line is worth its own only when the peer has just taken something.
void Delivery::tell_dropped() {
    if (dropped_.empty() || spool_.full()) return;
    const auto gap = dropped_.take(dropped_.first_id());
    const std::string line = gap.grows ? print_gap(*gap.grows) : gap.line;
    const std::string_view lines[] = {line};
    spool_.push(lines, WhenFull::wait);
}

}  // namespace ble
