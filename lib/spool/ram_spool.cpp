#include "spool/ram_spool.hpp"

#include <algorithm>

namespace ble {

std::size_t RamSpool::push(std::span<const std::string_view> lines, WhenFull when_full) {
    const auto now = now_();
    std::size_t taken = 0;
    for (const auto line : lines) {
        if (full() && oldest_is_too_old()) drop_oldest(Cause::age);
        if (full() && when_full == WhenFull::wait) break;
        batches_.emplace_hint(batches_.end(), next_id_++, Item{std::string(line), now, false, nullptr});
        // When all others are in flight it is the newcomer itself that is the oldest to drop.
        while (batches() > capacity_ && !batches_.empty()) drop_oldest(Cause::full);
        ++taken;
    }
    return taken;
}

bool RamSpool::oldest_is_too_old() const {
    return !batches_.empty() && !gaps_.full() &&
           limit_.is_exceeded_by(now_() - batches_.begin()->second.since);
}

bool RamSpool::expire() {
    for (std::size_t n = 0; n < most_expired; ++n) {
        if (!oldest_is_too_old()) return false;
        drop_oldest(Cause::age);
    }
    return true;
}

void RamSpool::drop_oldest(Cause cause) {
    auto node = batches_.extract(batches_.begin());
    Item &item = node.mapped();
    const ParsedLine parsed = parser_.parse(item.line);
    if (std::holds_alternative<Gap>(parsed) && !gaps_.full()) {
        // A loss upstream: dropping the news of it would hide it.
        gaps_.put(node.key(), {item.since, nullptr, std::move(item.line)});
        return;
    }
    loss_.count(cause);
    if (!tell(parsed, node.key(), item.since, reason_of(cause))) ++loss_.unnamed;
}

// False: it has no name, or there are too many gap lines.
bool RamSpool::tell(const ParsedLine &lost, std::uint64_t id, UptimeClock::time_point since,
                    const std::string &reason) {
    const auto *batch = std::get_if<ParsedBatch>(&lost);
    return batch != nullptr && batch->batch.position && gaps_.lose(id, since, gap_for(batch->batch, reason));
}

std::optional<Spool::Entry> RamSpool::next() {
    if (batches_.empty() && gaps_.empty()) return {};
    if (!gaps_.empty() && (batches_.empty() || gaps_.first_id() < batches_.begin()->first)) {
        const auto id = gaps_.first_id();
        auto gap = gaps_.take(id);
        std::string line = gap.grows ? print_gap(*gap.grows) : std::move(gap.line);
        const auto sent =
            in_flight_.emplace(id, Item{std::move(line), gap.since, true, std::move(gap.grows)});
        return Entry{id, sent.first->second.line};
    }
    ++batches_in_flight_;
    const auto sent = in_flight_.insert(batches_.extract(batches_.begin()));
    return Entry{sent.position->first, sent.position->second.line};
}

std::string_view RamSpool::line(std::uint64_t id) const {
    return in_flight_.at(id).line;
}

void RamSpool::remove(std::uint64_t id) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) return;
    if (const Item &item = found->second; !item.is_gap) {
        --batches_in_flight_;
        limit_.batch_left();
    } else if (item.grows) {
        limit_.gap_left(*item.grows);
    }
    in_flight_.erase(found);
}

void RamSpool::give_up(std::uint64_t id, const std::string &reason) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) return;
    const auto since = found->second.since;
    const ParsedLine parsed = parser_.parse(found->second.line);
    remove(id);
    tell(parsed, id, since, reason);
}

void RamSpool::give_back(std::uint64_t id) {
    auto node = in_flight_.extract(id);
    if (node.empty()) return;
    if (Item &item = node.mapped(); item.is_gap) {
        gaps_.put(id, {item.since, std::move(item.grows), std::move(item.line)});
        return;
    }
    --batches_in_flight_;
    batches_.insert(std::move(node));
}

std::chrono::milliseconds RamSpool::oldest_age() const {
    std::optional<std::pair<std::uint64_t, UptimeClock::time_point>> oldest;
    const auto consider = [&](std::uint64_t id, UptimeClock::time_point since) {
        if (!oldest || id < oldest->first) oldest = {id, since};
    };
    if (!gaps_.empty()) consider(gaps_.first_id(), gaps_.at(gaps_.first_id()).since);
    for (const Items *items : {&batches_, &in_flight_})
        if (!items->empty()) consider(items->begin()->first, items->begin()->second.since);
    if (!oldest) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(now_() - oldest->second);
}

std::string RamSpool::description() const {
    return std::to_string(capacity_) + (capacity_ == 1 ? " batch" : " batches") +
           " in memory, gone when this process is killed or the power fails";
}

}  // namespace ble
