#include "store/crowds.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "store/milliseconds.hpp"

namespace ble {
namespace {

// device_id where it is asked Pi by Pi, name, location.
using Place = std::tuple<std::optional<std::string>, std::optional<std::string>, std::optional<std::string>>;

struct Listened {
    std::set<std::string> pis;
    double ms = 0;
    bool for_sure = false;
};

// On average between two windows.
std::int64_t pause_of(const StretchRow &stretch) {
    return ((stretch.last - stretch.begin) / std::chrono::milliseconds(1) - stretch.listened_ms) /
           std::max<std::int64_t>(stretch.windows - 1, 1);
}

// From the latest step back: which stretches go on in it, and who listened at each place.
class Steps {
  public:
    Steps(const std::vector<StretchRow> &stretches, const Asked &asked)
        : asked_(asked), step_((asked.until - 1) / asked.every) {
        for (const auto &stretch : stretches)
            if (stretch.last > stretch.begin) later_.push_back(&stretch);
        std::sort(later_.begin(), later_.end(),
                  [](const auto *a, const auto *b) { return a->last > b->last; });
    }

    std::int64_t present() const { return step_; }
    std::map<Place, Listened> take() {
        const Time from = from_milliseconds(std::max(step_ * asked_.every, asked_.since)),
                   until = from_milliseconds(std::min((step_ + 1) * asked_.every, asked_.until));
        for (; next_ < later_.size() && later_[next_]->last > from; ++next_) now_.push_back(later_[next_]);
        std::map<Place, Listened> places;
        for (const auto *stretch : now_) {
            const auto part = std::min(until, stretch->last) - std::max(from, stretch->begin);
            if (part <= std::chrono::milliseconds(0)) continue;
            const auto &spot = stretch->spot;
            auto &place = places[{asked_.by_device ? std::optional(spot.device_id) : std::nullopt, spot.name,
                                  spot.location}];
            place.pis.insert(spot.device_id);
            place.for_sure = place.for_sure || part / std::chrono::milliseconds(1) > pause_of(*stretch);
            place.ms += static_cast<double>(stretch->listened_ms) * static_cast<double>(part.count()) /
                        static_cast<double>((stretch->last - stretch->begin).count());
        }
        std::erase_if(now_, [&](const auto *stretch) { return stretch->begin >= from; });
        --step_;
        return places;
    }
    // Goes back to the next step in which somebody listened; false: there is none.
    bool find(std::int64_t first) {
        if (now_.empty() && next_ < later_.size())
            step_ = std::min(step_, (to_milliseconds(later_[next_]->last) - 1) / asked_.every);
        return step_ >= first && (!now_.empty() || next_ < later_.size());
    }

  private:
    const Asked &asked_;
    std::int64_t step_;
    std::vector<const StretchRow *> later_,
        now_;  // by their ends, the latest first; those of the step before
    std::size_t next_ = 0;
};

}  // namespace

Answers<Occupied> occupancy_of(std::vector<Occupied> counted, const std::vector<StretchRow> &stretches,
                               const Asked &asked, const std::function<void()> &check_time) {
    std::map<std::pair<Time, Place>, Occupied> rows;
    for (auto &row : counted) {
        const auto key = std::pair(row.from, Place(row.device_id, row.name, row.location));
        rows.emplace(key, std::move(row));
    }
    const auto most = static_cast<std::size_t>(asked.most - 1);
    // Before this step no row is told any more.
    const auto needed = [&](std::int64_t step) {
        if (rows.size() <= most) return true;
        const auto first = std::prev(rows.end(), static_cast<std::ptrdiff_t>(most) + 1);
        return first->first.first <= from_milliseconds(step * asked.every);
    };
    for (Steps steps(stretches, asked); steps.find(asked.since / asked.every) && needed(steps.present());) {
        check_time();
        const auto step = steps.present();
        for (const auto &[place, listened] : steps.take()) {
            const Time from = from_milliseconds(step * asked.every);
            if (!listened.for_sure && !rows.contains({from, place})) continue;
            auto &row = rows[{from, place}];
            row.from = from;
            row.until = from_milliseconds((step + 1) * asked.every);
            std::tie(row.device_id, row.name, row.location) = place;
            row.pis = static_cast<std::int64_t>(listened.pis.size());
            row.listened_ms = std::llround(listened.ms);
        }
    }
    Answers<Occupied> answers;
    answers.more = rows.size() > most;
    auto row = answers.more ? std::prev(rows.end(), static_cast<std::ptrdiff_t>(most)) : rows.begin();
    for (; row != rows.end(); ++row) answers.rows.push_back(std::move(row->second));
    return answers;
}

}  // namespace ble
