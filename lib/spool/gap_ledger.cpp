#include "spool/gap_ledger.hpp"

#include <algorithm>

namespace ble {
namespace {

auto key_of(const Gap &gap) {
    return std::tuple(gap.device_id, gap.run_id, gap.reason);
}

}  // namespace

std::optional<std::uint64_t> GapLedger::lose(std::uint64_t id, Clock::time_point since,
                                             const std::string &device_id, const RunPosition &position,
                                             const std::string &reason) {
    const auto &[run_id, seq] = position;
    const Key key{device_id, run_id, reason};
    if (const auto found = grows_for(key); found != open_.end()) {
        Gap &gap = *items_.at(found->second).grows;
        if (seq == gap.to_seq + 1 || full()) {
            gap.from_seq = std::min(gap.from_seq, seq);
            gap.to_seq = std::max(gap.to_seq, seq);
        }
        if (gap.from_seq <= seq && seq <= gap.to_seq) return found->second;
    }
    if (full()) return {};
    open_[key] = id;
    items_[id] = {since, std::make_unique<Gap>(Gap{device_id, run_id, seq, seq, reason}), {}};
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
