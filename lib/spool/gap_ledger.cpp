#include "spool/gap_ledger.hpp"

#include <algorithm>

namespace ble {
namespace {

auto key_of(const Gap &gap) {
    return std::tuple(gap.device_id, gap.run_id, gap.reason);
}

// Up to the batch, which may lie before the gap, in it, or behind it.
void grow(Gap &gap, const Gap &lost) {
    if (lost.from_seq < gap.from_seq) {
        gap.from_seq = lost.from_seq;
        gap.lost.from = lost.lost.from;
    }
    if (lost.to_seq > gap.to_seq) {
        gap.to_seq = lost.to_seq;
        gap.lost.to = lost.lost.to;
    }
    gap.lost.clock_synced = both_synced(gap.lost.clock_synced, lost.lost.clock_synced);
}

}  // namespace

std::optional<std::uint64_t> GapLedger::lose(std::uint64_t id, UptimeClock::time_point since, Gap lost) {
    const Key key = key_of(lost);
    const auto seq = lost.from_seq;
    if (const auto found = grows_for(key); found != open_.end()) {
        Gap &gap = *items_.at(found->second).grows;
        if (seq == gap.to_seq + 1 || full()) grow(gap, lost);
        if (gap.from_seq <= seq && seq <= gap.to_seq) return found->second;
    }
    if (full()) return {};
    open_[key] = id;
    items_[id] = {since, std::make_unique<Gap>(std::move(lost)), {}};
    return id;
}

// Of the same reason; when there is no room for another line, of any: told for the wrong reason is better than not told.
GapLedger::Open::iterator GapLedger::grows_for(const Key &key) {
    const auto found = open_.find(key);
    if (found != open_.end() || !full()) return found;
    const auto &[device_id, run_id, reason] = key;
    const auto any = open_.lower_bound({device_id, run_id, {}});
    if (any == open_.end()) return any;
    return std::get<0>(any->first) == device_id && std::get<1>(any->first) == run_id ? any : open_.end();
}

void GapLedger::put(std::uint64_t id, Item item) {
    if (item.grows) {
        const auto [run, added] = open_.try_emplace(key_of(*item.grows), id);
        run->second = std::max(run->second, id);
    }
    items_[id] = std::move(item);
}

GapLedger::Item GapLedger::take(std::uint64_t id) {
    auto node = items_.extract(id);
    if (const Item &item = node.mapped(); item.grows) {
        const auto run = open_.find(key_of(*item.grows));
        if (run != open_.end() && run->second == id) open_.erase(run);
    }
    return std::move(node.mapped());
}

void GapLedger::clear() {
    items_.clear();
    open_.clear();
}

}  // namespace ble
