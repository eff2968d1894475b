#include "store/sqlite/recent.hpp"

#include <algorithm>

#include "store/store.hpp"

namespace ble {
namespace {

// Of a step, and of the transactions that come before it is taken. Five MiB.
constexpr std::size_t detections_kept = merged_a_step + merged_a_step / 3;

}  // namespace

void SqliteRecent::add(std::int64_t batch, std::int64_t received_at) {
    // An id that comes again is that of another batch: one that was deleted had it.
    if (!batches_.empty() && batch <= batches_.back().id) {
        batches_.clear();
        detections_.clear();
        committed_ = 0;
    }
    taking_ = detections_.size() < detections_kept;
    if (taking_) batches_.push_back({batch, received_at, detections_.size()});
}

void SqliteRecent::commit() {
    committed_ = batches_.size();
    taking_ = false;
}

void SqliteRecent::undo() {
    taking_ = false;
    if (committed_ == batches_.size()) return;
    detections_.resize(batches_[committed_].begin);
    batches_.resize(committed_);
}

std::optional<std::span<const SqliteRecent::Detection>> SqliteRecent::find(std::int64_t batch,
                                                                           std::int64_t received_at) const {
    const auto end = batches_.begin() + static_cast<std::ptrdiff_t>(committed_);
    const auto found = std::lower_bound(batches_.begin(), end, batch,
                                        [](const Batch &one, std::int64_t id) { return one.id < id; });
    if (found == end || found->id != batch || found->received_at != received_at) return {};
    const auto next = found + 1;
    const auto to = next == batches_.end() ? detections_.size() : next->begin;
    return std::span(detections_).subspan(found->begin, to - found->begin);
}

void SqliteRecent::forget_to(std::int64_t batch) {
    const auto kept =
        std::find_if(batches_.begin(), batches_.end(), [&](const Batch &one) { return one.id > batch; });
    const auto gone = kept - batches_.begin();
    const auto from = kept == batches_.end() ? detections_.size() : kept->begin;
    detections_.erase(detections_.begin(), detections_.begin() + static_cast<std::ptrdiff_t>(from));
    batches_.erase(batches_.begin(), kept);
    for (auto &one : batches_) one.begin -= from;
    committed_ -= std::min(committed_, static_cast<std::size_t>(gone));
}

}  // namespace ble
