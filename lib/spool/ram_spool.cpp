#include "spool/ram_spool.hpp"

#include <algorithm>

namespace ble {

std::size_t RamSpool::push(std::span<const std::string_view> lines, WhenFull when_full) {
    const auto now = Clock::now();
    std::size_t taken = 0;
    for (const auto line : lines) {
        if (full() && when_full == WhenFull::wait) break;
        batches_.emplace_hint(batches_.end(), next_id_++, Item{std::string(line), now, false, nullptr});
        // When all others are in flight it is the newcomer itself that is the oldest to drop.
        while (batches() > capacity_ && !batches_.empty()) drop_oldest();
        ++taken;
    }
    return taken;
}

void RamSpool::drop_oldest() {
    auto node = batches_.extract(batches_.begin());
    const ParsedLine parsed = parser_.parse(node.mapped().line);
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) {
        ++loss_.dropped;
        record_loss(std::move(node), batch->batch);
    } else if (std::holds_alternative<Gap>(parsed) && gaps_.size() < most_gaps) {
        node.mapped().is_gap = true;  // a loss upstream: dropping the news of it would hide it
        gaps_.insert(std::move(node));
    } else {
        ++loss_.dropped;
        ++loss_.unnamed;
    }
}

void RamSpool::record_loss(Items::node_type node, const Batch &batch) {
    if (!batch.position) {
        ++loss_.unnamed;
        return;
    }
    const auto &[run_id, seq] = *batch.position;
    if (const auto found = open_gaps_.find({batch.device_id, run_id}); found != open_gaps_.end()) {
        Gap &gap = *gaps_.at(found->second).grows;
        if (seq == gap.to_seq + 1 || gaps_.size() >= most_gaps) {
            gap.from_seq = std::min(gap.from_seq, seq);
            gap.to_seq = std::max(gap.to_seq, seq);
        }
        if (gap.from_seq <= seq && seq <= gap.to_seq) return;
    }
    if (gaps_.size() >= most_gaps) {
        ++loss_.unnamed;
        return;
    }
    Item &item = node.mapped();
    item.is_gap = true;
    item.line.clear();
    item.grows = std::make_unique<Gap>(Gap{batch.device_id, run_id, seq, seq, "buffer_full"});
    open_gaps_[{batch.device_id, run_id}] = node.key();
    gaps_.insert(std::move(node));
}

std::optional<Spool::Entry> RamSpool::next() {
    if (batches_.empty() && gaps_.empty()) return {};
    const bool gap_first =
        !gaps_.empty() && (batches_.empty() || gaps_.begin()->first < batches_.begin()->first);
    Items &from = gap_first ? gaps_ : batches_;
    auto node = from.extract(from.begin());
    Item &item = node.mapped();
    const std::uint64_t id = node.key();
    if (!item.is_gap) ++batches_in_flight_;
    if (item.grows) {
        item.line = print_gap(*item.grows);
        const auto run = open_gaps_.find({item.grows->device_id, item.grows->run_id});
        if (run != open_gaps_.end() && run->second == id) open_gaps_.erase(run);
    }
    const auto position = in_flight_.insert(in_flight_.end(), std::move(node));
    return Entry{id, position->second.line};
}

std::string_view RamSpool::line(std::uint64_t id) const {
    return in_flight_.at(id).line;
}

void RamSpool::remove(std::uint64_t id) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) return;
    if (!found->second.is_gap) --batches_in_flight_;
    in_flight_.erase(found);
}

void RamSpool::give_back(std::uint64_t id) {
    auto node = in_flight_.extract(id);
    if (node.empty()) return;
    Item &item = node.mapped();
    if (!item.is_gap) --batches_in_flight_;
    // A newer gap of the same run, made meanwhile, stays the one that grows.
    if (item.grows) open_gaps_.try_emplace({item.grows->device_id, item.grows->run_id}, id);
    Items &home = item.is_gap ? gaps_ : batches_;
    home.insert(std::move(node));
}

std::chrono::milliseconds RamSpool::oldest_age() const {
    const Item *oldest = nullptr;
    std::uint64_t oldest_id = 0;
    for (const Items *items : {&batches_, &gaps_, &in_flight_}) {
        if (items->empty() || (oldest != nullptr && oldest_id < items->begin()->first)) continue;
        oldest_id = items->begin()->first;
        oldest = &items->begin()->second;
    }
    if (oldest == nullptr) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - oldest->since);
}

std::string RamSpool::description() const {
    return std::to_string(capacity_) + (capacity_ == 1 ? " batch" : " batches") +
           " in memory, gone when this process is killed or the power fails";
}

}  // namespace ble
