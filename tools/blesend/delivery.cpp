#include "blesend/delivery.hpp"

#include <algorithm>

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
    // After a failure everything outstanding ends before the oldest is sent again: so order holds on each connection.
    if (rewinding_ && outstanding_.empty()) rewinding_ = false;
    while (!rewinding_ && outstanding_.size() < transport_.window())
        if (!send_next()) break;
}

bool Delivery::send_next() {
    const auto first = spool_.next();
    if (!first) return false;
    std::string payload(first->line);
    Entries entries = {first->id};
    const bool alone = first->id < alone_until_ || !may_share(first->line);
    while (!alone && entries.size() < coalesce_) {
        const auto entry = spool_.next();
        if (!entry) break;
        if (payload.size() + 1 + entry->line.size() > longest_joined || !may_share(entry->line)) {
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

void Delivery::settle(const Result &result) {
    const Entries entries = std::move(outstanding_.at(result.id));
    outstanding_.erase(result.id);
    if (result.outcome == Outcome::retry && on_failure_ == OnFailure::keep) {
        give_back(entries);
        rewinding_ = true;
    } else if (result.outcome == Outcome::refused && entries.size() > 1) {
        // One of them, or their number: sent one by one, only what is refused by itself is set aside.
        give_back(entries);
        alone_until_ = std::max(alone_until_, entries.back() + 1);
        if (parted_said_.due())
            log_warning("a message of " + std::to_string(entries.size()) +
                        " batches was refused, they are sent one by one: " + result.reason);
    } else {
        for (const auto entry : entries) finish(entry, result);
        last_progress_ = Clock::now();
    }
}

void Delivery::give_back(const Entries &entries) {
    for (const auto entry : entries) spool_.give_back(entry);
}

// The entry leaves the spool.
void Delivery::finish(std::uint64_t entry, const Result &result) {
    if (result.outcome == Outcome::delivered) {
        ++counters_.out;
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
        if (!dropped_.full()) dropped_.put(entry, {Clock::now(), nullptr, line});
        return;
    }
    ++counters_.dropped;
    if (batch->batch.position)
        dropped_.lose(entry, Clock::now(), batch->batch.device_id, *batch->batch.position, "not_delivered");
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
