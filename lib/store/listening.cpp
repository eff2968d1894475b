#include "store/listening.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <tuple>
#include <utility>

namespace ble {
namespace {

using std::chrono::milliseconds;

// How long nothing may come before a Pi is called silent.
milliseconds patience(const PiState &pi) {
    constexpr milliseconds least = std::chrono::minutes(5);
    return std::max(least,
                    milliseconds(3 * std::clamp<std::int64_t>(pi.interval_ms.value_or(0), 0, 86'400'000)));
}

// One Pi, from its first stretch to its last.
class Lane {
  public:
    Lane(const PiState &pi, const std::vector<GapRow> &gaps, std::vector<CoverageStretch> &out)
        : pi_(pi), gaps_(gaps), out_(out), spot_(pi.spot) {}

    void go(const std::vector<StretchRow> &stretches, Time since, Time until, Time present) {
        Time reached = pi_.first_seen ? std::max(since, *pi_.first_seen) : since;
        const Time end = std::min(until, present);
        milliseconds reach{0};
        for (const auto &stretch : stretches) {
            // As windows are joined: by where the first one ends.
            if (stretch.first > reached + std::max(reach, milliseconds(stretch.reach_ms)))
                hole(reached, std::min(stretch.begin, end));
            spot_ = stretch.spot;
            add(stretch, since, until);
            if (stretch.last > reached) reach = milliseconds(stretch.reach_ms);
            reached = std::max(reached, stretch.last);
        }
        if (pi_.state == PiState::State::gone) return;
        if (end - reached > (end == present ? std::max(reach, patience(pi_)) : reach)) hole(reached, end);
    }

  private:
    void add(const StretchRow &stretch, Time since, Time until) {
        CoverageStretch row;
        row.from = std::max(stretch.begin, since);
        row.until = std::min(stretch.last, until);
        if (row.until <= row.from) return;
        row.spot = stretch.spot;
        row.clock_synced = stretch.clock_synced;
        row.windows = stretch.windows;
        row.listened_ms = stretch.listened_ms;
        out_.push_back(std::move(row));
    }

    // Nothing was heard of the Pi from the one to the other: what of it is known to be missing, and the rest.
    void hole(Time from, Time until) {
        const Time start = from;
        for (const auto &gap : gaps_) {
            const Time begin = std::max(gap.from.value_or(start), start),
                       end = std::min(gap.to.value_or(until), until);
            if (gap.device_id != pi_.spot.device_id || end <= begin) continue;
            if (end <= from) {  // several in one time, of which it is not known which was first
                add_reason(gap.reason);
                continue;
            }
            quiet(from, begin, {});
            quiet(std::max(from, begin), end, gap.reason);
            from = end;
        }
        quiet(from, until, {});
    }

    void add_reason(const std::string &reason) {
        auto &known = out_.back().reason;
        if (known && known->find(reason) == known->npos) *known += ", " + reason;
    }

    void quiet(Time from, Time until, std::optional<std::string> reason) {
        if (until <= from) return;
        CoverageStretch row;
        row.what = reason ? Listening::gap : Listening::silent;
        row.from = from;
        row.until = until;
        row.spot = spot_;
        row.reason = std::move(reason);
        out_.push_back(std::move(row));
    }

    const PiState &pi_;
    const std::vector<GapRow> &gaps_;
    std::vector<CoverageStretch> &out_;
    Spot spot_;  // where it was last
};

}  // namespace

bool is_silent(const PiState &pi, Time present) {
    return pi.state != PiState::State::gone && (!pi.last_heard || present - *pi.last_heard > patience(pi));
}

std::vector<CoverageStretch> listening_of(const std::vector<PiState> &pis, std::vector<StretchRow> stretches,
                                          std::vector<GapRow> gaps, Time since, Time until, Time present) {
    std::sort(stretches.begin(), stretches.end(), [](const auto &a, const auto &b) {
        return std::tie(a.begin, a.last, a.spot.name, a.spot.location) <
               std::tie(b.begin, b.last, b.spot.name, b.spot.location);
    });
    std::sort(gaps.begin(), gaps.end(), [](const auto &a, const auto &b) {
        return std::tie(a.from, a.to, a.reason) < std::tie(b.from, b.to, b.reason);
    });
    std::vector<CoverageStretch> all;
    for (const auto &pi : pis) {
        std::vector<StretchRow> own;
        std::copy_if(stretches.begin(), stretches.end(), std::back_inserter(own),
                     [&](const auto &one) { return one.spot.device_id == pi.spot.device_id; });
        Lane(pi, gaps, all).go(own, since, until, present);
    }
    return all;
}

bool keep_latest(std::vector<CoverageStretch> &rows, std::size_t most) {
    if (rows.size() <= most) return false;
    std::vector<std::size_t> latest(rows.size());
    std::iota(latest.begin(), latest.end(), std::size_t{0});
    std::stable_sort(latest.begin(), latest.end(),
                     [&](auto a, auto b) { return rows[a].until > rows[b].until; });
    latest.resize(most);
    std::sort(latest.begin(), latest.end());
    for (std::size_t place = 0; place < most; ++place)
        if (place != latest[place]) rows[place] = std::move(rows[latest[place]]);
    rows.resize(most);
    return true;
}

}  // namespace ble
