#include "store/rollup.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace ble {
namespace {

// What else a step takes at most.
constexpr std::int64_t ranges_a_step = 4'000, counts_a_step = 20;
// Of ranges that do not tell how many detections they have.
constexpr std::int64_t batches_a_step = 400;

}  // namespace

RollUp::RollUp(Tables &tables) : tables_(tables), rows_(tables.rollups()), room_(merged_a_step) {}

void RollUp::stored(std::int64_t batch, std::size_t detections) {
    const auto count = static_cast<std::int64_t>(std::max<std::size_t>(detections, 1));
    if (!stored_.empty() && stored_.back().to + 1 == batch) {
        stored_.back().to = batch;
        stored_.back().detections += count;
    } else {
        stored_.push_back({batch, batch, count});
    }
}

void RollUp::flush() {
    for (const auto &range : stored_) rows_.put_due(range);
    stored_.clear();
}

void RollUp::forget() {
    stored_.clear();
    whole_days_.clear();
}

bool RollUp::was_merged(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) {
    std::vector<Heard> asked;
    for (const auto &one : heard)
        if (!is_whole(one.bucket / buckets_a_day)) asked.push_back(one);
    return !asked.empty() && rows_.hold(device, place, asked);
}

// Only retention changes it, which is alone.
bool RollUp::is_whole(std::int64_t day) {
    const auto found = whole_days_.find(day);
    if (found != whole_days_.end()) return found->second;
    return whole_days_.emplace(day, rows_.is_whole(day)).first->second;
}

RolledUp RollUp::step(std::chrono::minutes occupancy) {
    RolledUp result;
    Work work(tables_);
    tables_.epoch();  // refuses a newer schema
    if (!rows_.take_turn()) return {0, false, true};
    result = merge_some();
    result.more = result.batches > 0 || count_some(occupancy);
    if (result.more) work.commit();
    return result;
}

// Where it does not come to its end, because of a time limit of the database's for example, the next one is smaller.
RolledUp RollUp::merge_some() {
    RolledUp merged;
    std::vector<DueBatch> batches;
    const std::int64_t most = std::exchange(room_, std::max<std::int64_t>(room_ / 8, 1));
    const std::int64_t most_batches = std::max<std::int64_t>(batches_a_step * most / merged_a_step, 1);
    std::int64_t room = most;
    for (const auto &range : rows_.due(ranges_a_step)) {
        const bool known = range.detections > 0;
        const auto found = rows_.batches(range, known ? range.to - range.from + 1 : most_batches);
        batches.insert(batches.end(), found.begin(), found.end());
        const bool whole =
            known || static_cast<std::int64_t>(found.size()) < most_batches || found.back().id >= range.to;
        if (whole) {
            rows_.erase_due(range.from);
        } else {
            rows_.shorten_due(range.from, found.back().id + 1);
            merged.left = static_cast<std::uint64_t>(range.to - found.back().id);
        }
        merged.batches += std::max<std::size_t>(found.size(), 1);
        room -= known ? range.detections
                      : static_cast<std::int64_t>(found.size()) * merged_a_step / batches_a_step;
        if (room <= 0) break;
    }
    if (!batches.empty()) note(rows_.merge(batches));
    room_ = std::min(2 * most, merged_a_step);
    return merged;
}

void RollUp::note(const std::vector<Touched> &touched) {
    std::map<std::int64_t, Touched> days;
    std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> counts;
    for (const auto &one : touched) {
        const auto day = one.bucket / buckets_a_day;
        Touched &all = days.emplace(day, one).first->second;
        all.first_s = std::min(all.first_s, one.first_s);
        all.last_s = std::max(all.last_s, one.last_s);
        all.received_at = std::max(all.received_at, one.received_at);
        counts.insert({5, one.bucket, one.place});
        counts.insert({60, one.bucket / buckets_an_hour, one.place});
        counts.insert({1440, day, one.place});
    }
    for (const auto &[day, all] : days) rows_.note_day(day, all);
    for (const auto &[minutes, number, place] : counts) rows_.put_occupancy_due({minutes, number, place});
}

bool RollUp::count_some(std::chrono::minutes occupancy) {
    const auto due = rows_.occupancy_due(occupancy.count(), counts_a_step);
    for (const auto &one : due) rows_.count_occupancy(one);
    return !due.empty();
}

// Bucket by bucket, so that others wait for no long one; then the day, which is the sum of its buckets, whatever was merged meanwhile. Where
// retention begins with the day before all are done, the others stay.
RebuiltRollups RollUp::rebuild(std::int64_t from_day) {
    RebuiltRollups result;
    {
        Work work(tables_);
        tables_.epoch();
        result.day = rows_.next_day(from_day);
        result.kept = result.day && !rows_.is_whole(*result.day);
    }
    if (!result.day || result.kept) return result;
    const auto first = *result.day * buckets_a_day;
    for (auto bucket = first; bucket < first + buckets_a_day && !result.kept; ++bucket) {
        Work work(tables_);
        rows_.wait_turn();
        result.kept = !rows_.is_whole(*result.day);
        if (!result.kept) note(rows_.rebuild(bucket));
        work.commit();
    }
    Work work(tables_);
    rows_.wait_turn();
    rows_.rebuild_day(*result.day);
    work.commit();
    return result;
}

}  // namespace ble
