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
    } else if (result.outcome == Outcome::refused) {
        reject_.add(spool_.line(entry), result.reason);
        ++counters_.rejected;
    } else {
        ++counters_.dropped;
        if (dropped_said_.due())
            log_warning("dropped after one try (" + std::to_string(counters_.dropped) +
                        " so far): " + result.reason);
    }
    spool_.remove(entry);
}

}  // namespace ble
