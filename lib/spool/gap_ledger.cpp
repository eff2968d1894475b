#include "spool/gap_ledger.hpp"

#include <algorithm>

namespace ble {

std::optional<std::uint64_t> GapLedger::lose(std::uint64_t id, Clock::time_point since,
                                             const std::string &device_id, const RunPosition &position) {
    const auto &[run_id, seq] = position;
    if (const auto found = open_.find({device_id, run_id}); found != open_.end()) {
        Gap &gap = *items_.at(found->second).grows;
        if (seq == gap.to_seq + 1 || full()) {
            gap.from_seq = std::min(gap.from_seq, seq);
            gap.to_seq = std::max(gap.to_seq, seq);
        }
        if (gap.from_seq <= seq && seq <= gap.to_seq) return found->second;
    }
    if (full()) return {};
    open_[{device_id, run_id}] = id;
    items_[id] = {since, std::make_unique<Gap>(Gap{device_id, run_id, seq, seq, "buffer_full"}), {}};
    return id;
}

void GapLedger::put(std::uint64_t id, Item item) {
    if (item.grows) {
        const auto [run, added] = open_.try_emplace({item.grows->device_id, item.grows->run_id}, id);
        run->second = std::max(run->second, id);
    }
    items_[id] = std::move(item);
}

GapLedger::Item GapLedger::take(std::uint64_t id) {
    auto node = items_.extract(id);
    if (const Item &item = node.mapped(); item.grows) {
        const auto run = open_.find({item.grows->device_id, item.grows->run_id});
        if (run != open_.end() && run->second == id) open_.erase(run);
    }
    return std::move(node.mapped());
}

void GapLedger::clear() {
    items_.clear();
    open_.clear();
}

}  // namespace ble
