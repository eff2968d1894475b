#include "store/sqlite/rollup_sums.hpp"

#include <algorithm>

#include "store/rows/rollup_rows.hpp"

namespace ble {
namespace {

void merge(RollupSums::Row &all, const RollupSums::Row &one) {
    all.detections += one.detections;
    all.reports += one.reports;
    all.strongest = std::max(all.strongest, one.strongest);
    all.rssi_sum += one.rssi_sum;
    all.zone = std::min(all.zone, one.zone);
    all.first = std::min(all.first, one.first);
    all.last = std::max(all.last, one.last);
}

}  // namespace

std::size_t RollupSums::Hash::operator()(const Key &key) const {
    std::uint64_t hash = 0;
    for (const auto part : key) {
        hash = (hash ^ static_cast<std::uint64_t>(part)) *
               0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
        hash ^= hash >> 32;
    }
    return hash;
}

void RollupSums::add(const Row &detection) {
    const Key key{detection.bucket, detection.place, detection.advertiser, detection.device};
    const auto [at, is_new] = where_.try_emplace(key, rows_.size());
    if (is_new)
        rows_.push_back(detection);
    else
        merge(rows_[at->second], detection);
}

const std::vector<RollupSums::Row> &RollupSums::sorted() {
    where_.clear();
    std::sort(rows_.begin(), rows_.end(), [](const Row &a, const Row &b) { return a.key() < b.key(); });
    return rows_;
}

const std::vector<RollupSums::Row> &RollupSums::days() {
    for (auto &row : rows_) {
        row.first = row.last = row.bucket % buckets_a_day;
        row.bucket /= buckets_a_day;
    }
    sorted();
    std::size_t last = 0;
    for (std::size_t i = 1; i < rows_.size(); ++i) {
        if (rows_[last].key() == rows_[i].key())
            merge(rows_[last], rows_[i]);
        else
            rows_[++last] = rows_[i];
    }
    if (!rows_.empty()) rows_.resize(last + 1);
    return rows_;
}

void RollupSums::forget() {
    rows_.clear();
    where_.clear();
}

}  // namespace ble
