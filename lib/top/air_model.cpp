#include "top/air_model.hpp"

#include <algorithm>
#include <functional>

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds longest_window = std::chrono::hours(24 * 7);

std::int64_t second_of(Instant at) {
    return std::chrono::floor<seconds>(at).count();
}

template <class Map>
auto longest_ago(Map &map) {
    return std::min_element(map.begin(), map.end(),
                            [](const auto &a, const auto &b) { return a.second.at < b.second.at; });
}

}  // namespace

void RssiHistory::add(Value value) {
    if (size_ < room) {
        values_[(begin_ + size_++) % room] = value;
        return;
    }
    values_[begin_] = value;
    begin_ = static_cast<std::uint8_t>((begin_ + 1U) % room);
}

bool Pi::silent(Instant now) const {
    const milliseconds round(std::max(window_ms.value_or(0), interval_ms.value_or(0)));
    return now - at > 2 * round + seconds(10);
}

const Pi *AirModel::pi(std::uint32_t number) const {
    const auto found = pis_.find(number);
    return found == pis_.end() ? nullptr : &found->second;
}

const Advertiser *AirModel::advertiser(const DeviceHash &hash) const {
    const auto found = advertisers_.find(hash);
    return found == advertisers_.end() ? nullptr : &found->second;
}

std::uint32_t AirModel::number_of(const std::string &device_id, Instant now) {
    const auto known = numbers_.find(device_id);
    if (known != numbers_.end()) return known->second;
    if (pis_.size() >= limits_.pis) {
        const auto oldest = longest_ago(pis_);
        numbers_.erase(oldest->second.device_id);
        pis_.erase(oldest);
    }
    const auto number = next_number_++;
    numbers_.emplace(device_id, number);
    Pi &pi = pis_[number];
    pi.device_id = device_id;
    pi.at = now;
    return number;
}

void AirModel::take(const ParsedBatch &parsed, const Moment &came) {
    const Batch &batch = parsed.batch;
    const auto number = number_of(batch.device_id, came.steady);
    Pi &pi = pis_[number];
    pi.at = came.steady;
    pi.late.reset();
    if (batch.timestamp) pi.late = std::chrono::floor<milliseconds>(came.wall - *batch.timestamp);
    if (old_ && pi.late) pi.at -= std::clamp(*pi.late, milliseconds(0), longest_window);
    pi.name = batch.name.value_or("");
    pi.location = batch.location.value_or("");
    pi.version = batch.version.value_or("");
    pi.window_ms = batch.window_ms;
    pi.interval_ms = batch.interval_ms;
    pi.clock_synced = batch.clock_synced;
    pi.occupancy = batch.occupancy;
    pi.heard = batch.detections.size();
    ++pi.batches;
    if (batch.position) pi.seqs.add(batch.position->run_id, batch.position->seq);
    for (const Detection &one : batch.detections) note(one, batch, number, came);
    make_room();
}

void AirModel::take(const Gap &gap, const Moment &came) {
    Pi &pi = pis_[number_of(gap.device_id, came.steady)];
    pi.told_lost += gap.to_seq - gap.from_seq + 1;
    pi.lost_reason = gap.reason;
}

void AirModel::take(const Twins &twins, const Moment &came) {
    pis_[number_of(twins.device_id, came.steady)].twins = true;
}

// By the clock of the Pi, from the end of its window: when that came is known by ours.
Instant AirModel::heard_at(const Detection &one, const Batch &batch, const Moment &came) const {
    const auto since = [&](Time until, milliseconds most) {
        const auto passed = std::chrono::floor<milliseconds>(until - one.timestamp);
        return std::clamp(passed, milliseconds(0), most);
    };
    if (old_) return came.steady - since(came.wall, longest_window);
    if (!batch.timestamp) return came.steady;
    return came.steady - since(*batch.timestamp, milliseconds(batch.window_ms.value_or(0)));
}

void AirModel::note(const Detection &one, const Batch &batch, std::uint32_t pi, const Moment &came) {
    const Instant at = heard_at(one, batch, came);
    const auto [place, fresh] = advertisers_.try_emplace(one.device_hash);
    Advertiser &who = place->second;
    if (fresh) {
        who.hash = one.device_hash;
        who.first = who.at = at;
    }
    const std::uint64_t reports = one.count.value_or(1);
    who.reports += reports;
    if (!old_) count(reports, came.steady);
    Hearing &here = *hearing_at(who, pi);
    if (here.history.size() > 0 && at < here.at()) return;
    here.history.add({at, one.rssi_dbm});
    here.zone = one.zone;
    here.rate.reset();
    if (one.count && batch.window_ms.value_or(0) > 0)
        here.rate = static_cast<float>(*one.count) * 1000 / static_cast<float>(*batch.window_ms);
    who.first = std::min(who.first, at);
    who.at = std::max(who.at, at);
    if (const auto hash = std::hash<std::string>()(one.details);
        !one.details.empty() && hash != who.told_hash) {
        who.told = read_told(one.details);
        who.told_hash = hash;
    }
    choose_best(who);
}

// Its place at this Pi: a new one, or where too many hear it that of the Pi which heard it longest ago.
Hearing *AirModel::hearing_at(Advertiser &who, std::uint32_t pi) {
    const auto known =
        std::find_if(who.heard.begin(), who.heard.end(), [&](const Hearing &h) { return h.pi == pi; });
    if (known != who.heard.end()) return &*known;
    if (who.heard.size() < limits_.hearings) {
        who.heard.emplace_back().pi = pi;
        return &who.heard.back();
    }
    const auto oldest = std::min_element(who.heard.begin(), who.heard.end(),
                                         [](const Hearing &a, const Hearing &b) { return a.at() < b.at(); });
    *oldest = {};
    oldest->pi = pi;
    return &*oldest;
}

void AirModel::choose_best(Advertiser &who) const {
    who.best = 0;
    const auto rank = [&](const Hearing &one) {
        const bool lately = one.at() >= who.at - limits_.lately;
        return std::pair(lately, lately ? Instant(one.rssi_dbm()) : one.at());
    };
    for (std::size_t i = 1; i < who.heard.size(); ++i)
        if (rank(who.heard[i]) > rank(who.heard[who.best])) who.best = i;
}

// A sixteenth at once: a flood of new addresses must not cost a search for each.
void AirModel::make_room() {
    if (advertisers_.size() <= limits_.advertisers) return;
    const std::size_t keep = limits_.advertisers - limits_.advertisers / 16;
    std::vector<Instant> times;
    times.reserve(advertisers_.size());
    for (const auto &[hash, who] : advertisers_) times.push_back(who.at);
    const auto edge = times.begin() + static_cast<std::ptrdiff_t>(times.size() - keep);
    std::nth_element(times.begin(), edge, times.end());
    const Instant oldest_kept = *edge;
    std::erase_if(advertisers_, [&](const auto &one) { return one.second.at < oldest_kept; });
    // Of those heard at one and the same time, any go.
    for (auto one = advertisers_.begin(); advertisers_.size() > limits_.advertisers;)
        one = one->second.at == oldest_kept ? advertisers_.erase(one) : std::next(one);
}

void AirModel::expire(Instant now) {
    std::erase_if(advertisers_, [&](const auto &one) { return now - one.second.at > limits_.forget; });
}

void AirModel::count(std::uint64_t reports, Instant now) {
    const auto second = second_of(now);
    Second &here = seconds_[static_cast<std::size_t>(second) % seconds_.size()];
    if (here.number != second) here = {second, 0};
    here.reports += reports;
}

double AirModel::rate(Instant now) const {
    const auto last = second_of(now) - 1;
    std::uint64_t sum = 0;
    for (const Second &one : seconds_)
        if (one.number <= last && one.number > last - 10) sum += one.reports;
    return static_cast<double>(sum) / 10;
}

}  // namespace ble
