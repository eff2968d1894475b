#include "store/questions.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "batch/device_hash.hpp"
#include "store/crowds.hpp"
#include "store/listening.hpp"
#include "store/milliseconds.hpp"
#include "store/moment.hpp"
#include "store/question_mapping.hpp"
#include "store/rows/rollup_rows.hpp"
#include "store/told_apart.hpp"
#include "store/whole_parts.hpp"

namespace ble {
namespace {

// Of what other questions are answered with.
constexpr std::int64_t most_pis = 100'000, most_stretches = 1'000'000, least_stretches = 10'000;
// Who was heard over a longer time is told by rollups: then times are those at which five minutes began. An hour and a bit: "now" is some seconds
// ahead, for clocks that are.
constexpr std::int64_t long_ms = 3'660'000;
// What an advertiser told last is looked for in so many of the five minutes in which it was heard, and among so many details of each.
constexpr std::size_t most_told_buckets = 3;
constexpr std::int64_t most_told = 1'000;

// Rows came the latest first, so that a limit keeps those; they are read in order.
template <class Row>
void in_order(Answers<Row> &answers) {
    std::reverse(answers.rows.begin(), answers.rows.end());
}

// When five minutes began in which it was heard, or a step of several such in which it was; the latest of these, as many as are looked into.
std::vector<std::int64_t> latest_times(const std::vector<TrackPoint> &latest_first) {
    std::set<std::int64_t, std::greater<>> times;
    for (const auto &point : latest_first) {
        if (times.size() == most_told_buckets) break;
        times.insert(beginning_of_bucket(to_milliseconds(point.last.value_or(point.from))));
    }
    return {times.begin(), times.end()};
}

bool is_prefix(const std::string &hash) {
    return !hash.empty() && hash.size() <= DeviceHash::length &&
           hash.find_first_not_of("0123456789abcdef") == hash.npos;
}

bool is_at(const Spot &spot, const std::optional<std::string> &place) {
    return !place || spot.name == place || spot.location == place;
}

}  // namespace

template <class Body>
auto Questions::within(Body body) {
    latest_ = std::chrono::steady_clock::now() + limits_.longest;
    try {
        return told_apart([&] {
            Moment moment(*rows_, limits_.longest);
            auto answers = body();
            moment.end();
            return answers;
        });
    } catch (const StoreTrouble &) {
        check_time();
        throw;
    }
}

void Questions::check_time() const {
    if (std::chrono::steady_clock::now() >= latest_)
        throw TooSlow("no answer within " + std::to_string(limits_.longest.count()) +
                      " ms: ask for a shorter time, for one Pi, or allow more time");
}

// Names that are not there are an error, not an empty answer.
Asked Questions::asked_of(const Scope &scope) {
    Asked asked;
    asked.since = to_milliseconds(scope.since);
    asked.until = to_milliseconds(scope.until);
    asked.every = std::max<std::int64_t>(scope.every.count(), 1);
    asked.place = scope.place;
    bool place_known = !scope.place;
    const auto found = [&](const Columns &) { place_known = true; };
    if (scope.place) rows_->ask(Question::place, asked, found);
    if (!place_known)
        throw Unknown("no Pi was ever at a place with the name or location '" + printable(*scope.place) +
                      "'");
    if (scope.device) {
        asked.text = *scope.device;
        rows_->ask(Question::device, asked, [&](const Columns &row) { asked.device = row.number(0); });
        if (!asked.device)
            throw Unknown("there is no Pi with the device_id '" + printable(*scope.device) + "'");
    }
    asked.most = limits_.rows + 1;
    return asked;
}

template <class Row>
Answers<Row> Questions::all(Question question, const Asked &asked) {
    Answers<Row> answers;
    rows_->ask(question, asked, [&](const Columns &row) { map(row, asked, answers.rows.emplace_back()); });
    answers.more = static_cast<std::int64_t>(answers.rows.size()) >= asked.most;
    if (answers.more) answers.rows.resize(static_cast<std::size_t>(asked.most - 1));
    return answers;
}

// Of an answer that rollups gave.
template <class Row>
void Questions::tell_cut(Answers<Row> &answers, const Asked &asked) {
    if (asked.reads != Reads::details)
        rows_->ask(Question::cut, asked, [&](const Columns &) { answers.cut = true; });
}

template <class Row>
void Questions::tell_silence(Answers<Row> &answers, const Asked &asked) {
    if (!answers.rows.empty()) return;
    answers.anybody_listened = false;
    rows_->ask(Question::listened, asked, [&](const Columns &) { answers.anybody_listened = true; });
}

Answers<PiState> Questions::states(const Asked &asked, Time present) {
    auto answers = all<PiState>(Question::pis, asked);
    for (auto &pi : answers.rows) {
        if (!is_silent(pi, present)) continue;
        pi.state = PiState::State::silent;
        pi.silent_since = pi.last_heard;
    }
    return answers;
}

Answers<PiState> Questions::pis(const Scope &scope) {
    return within([&] { return states(asked_of(scope), scope.present); });
}

Answers<Presence> Questions::presence(const Scope &scope) {
    return within([&] {
        const auto asked = asked_of(scope);
        const auto heard = heard_by(asked);
        auto answers = all<Presence>(Question::presence, heard);
        tell_cut(answers, heard);
        tell_silence(answers, asked);
        return answers;
    });
}

std::vector<std::int64_t> Questions::advertisers(const std::vector<std::string> &hashes, Asked asked) {
    constexpr std::int64_t told = 5;
    asked.most = told;
    std::vector<std::int64_t> ids;
    for (const auto &hash : hashes) {
        std::vector<std::pair<std::int64_t, std::string>> found;
        asked.text = hash;
        if (is_prefix(hash))
            rows_->ask(Question::advertisers, asked, [&](const Columns &row) {
                found.emplace_back(row.number(0).value_or(0), row.text(1).value_or(""));
            });
        if (found.size() > 1) {
            std::string all;
            for (const auto &[id, text] : found)
                all += (all.empty() ? "" : ", ") + text.substr(0, hash.size() + 8);
            throw Ambiguous("several advertisers begin with " + hash + ": " + all +
                            (static_cast<std::int64_t>(found.size()) == told ? ", …" : ""));
        }
        for (const auto &[id, text] : found) ids.push_back(id);
    }
    if (ids.empty())
        throw Unknown(
            "no advertiser is known by " +
            (hashes.size() == 1 ? "the hash " + printable(hashes[0]) : std::string("any of these hashes")) +
            ": it was never heard, its detections were deleted, or it is hashed with another key");
    return ids;
}

bool Questions::are_deleted(const Asked &asked, std::int64_t bucket) {
    auto one = asked;
    one.since = bucket;
    bool found = false;
    rows_->ask(Question::deleted, one, [&](const Columns &) { found = true; });
    return found;
}

// Of five minutes that are asked for in part, and whose detections are deleted, all is told that is known: the time is widened to them.
void Questions::use_rollups(Asked &asked) {
    const auto first = beginning_of_bucket(asked.since), last = beginning_of_bucket(asked.until);
    if (first != asked.since && are_deleted(asked, first)) asked.since = first;
    if (last != asked.until && are_deleted(asked, last)) asked.until = last + rollup_ms;
    set_whole_parts(asked);
}

// Who was heard in that time, whose steps do not matter.
Asked Questions::heard_by(Asked asked) {
    bool by_rollups = asked.until - asked.since > long_ms;
    if (!by_rollups) rows_->ask(Question::expired, asked, [&](const Columns &) { by_rollups = true; });
    if (!by_rollups) return asked;
    asked.reads = asked.device ? Reads::of_pi : asked.place ? Reads::few : Reads::rollups;
    asked.every = day_ms;
    use_rollups(asked);
    std::set<std::int64_t> unsettled;
    rows_->ask(Question::unsettled, asked,
               [&](const Columns &row) { unsettled.insert(row.number(0).value_or(0)); });
    set_hours(asked, unsettled);
    return asked;
}

// When the last five minutes began in which it was heard; points: of the steps that were asked for, the latest first.
std::vector<std::int64_t> Questions::last_heard(Asked asked, const Answers<TrackPoint> &points) {
    auto times = latest_times(points.rows);
    const bool enough = times.size() == most_told_buckets || !points.more;
    if (times.empty() || (enough && asked.every == rollup_ms)) return times;
    if (enough) asked.since = std::max(asked.since, times.back());
    asked.every = rollup_ms;
    asked.most = most_told;
    asked.reads = Reads::rollups;
    use_rollups(asked);
    return latest_times(all<TrackPoint>(Question::track, asked).rows);
}

// A name and a beacon may come in advertisements of their own: each is the last one. Details that are deleted tell nothing.
Told Questions::last_told(Asked asked, const std::vector<std::int64_t> &buckets) {
    Told told;
    const auto since = asked.since, until = asked.until;
    asked.most = most_told;
    for (const auto bucket : buckets) {
        if (!told.name.empty() && !told.beacon.empty() && !told.company.empty()) break;
        asked.since = std::max(since, bucket);
        asked.until = std::min(until, bucket + rollup_ms);
        rows_->ask(Question::told, asked, [&](const Columns &row) {
            const Told one = read_told(row.text(0).value_or(""));
            for (const auto member : {&Told::name, &Told::beacon, &Told::company})
                if ((told.*member).empty()) told.*member = one.*member;
        });
    }
    return told;
}

Answers<TrackPoint> Questions::track(const std::vector<std::string> &hashes, const Scope &scope) {
    return within([&] {
        auto asked = asked_of(scope);
        asked.advertisers = advertisers(hashes, asked);
        auto heard = asked;
        if (has_rolled_up_steps(asked)) {
            heard.reads = Reads::rollups;
            use_rollups(heard);
        }
        auto answers = all<TrackPoint>(Question::track, heard);
        tell_cut(answers, heard);
        if (!answers.rows.empty()) answers.rows.front().told = last_told(asked, last_heard(asked, answers));
        in_order(answers);
        // Before the first of these, more may have been cut off.
        const Time since = answers.more ? answers.rows.front().from : scope.since;
        asked.since = to_milliseconds(since);
        auto around = stretches(asked, scope.present);
        tell_silence(answers, asked);
        for (auto &one : around.rows) {
            if (one.what == Listening::listening || !is_at(one.spot, scope.place)) continue;
            TrackPoint point;
            point.not_heard_because = one.what;
            point.from = one.from;
            point.until = one.until;
            point.spot = std::move(one.spot);
            point.reason = std::move(one.reason);
            answers.rows.push_back(std::move(point));
        }
        std::stable_sort(answers.rows.begin(), answers.rows.end(),
                         [](const auto &a, const auto &b) { return a.from < b.from; });
        answers.more = answers.more || around.more;
        return answers;
    });
}

Answers<Occupied> Questions::occupancy(const Scope &scope) {
    return within([&] {
        auto asked = asked_of(scope);
        asked.by_device = scope.by_device;
        if (has_rolled_up_steps(asked)) {
            asked.reads = asked.device                                   ? Reads::of_pi
                          : has_counted_steps(asked) && !asked.by_device ? Reads::counts
                          : asked.place                                  ? Reads::few
                                                                         : Reads::rollups;
            use_rollups(asked);
        }
        std::vector<Occupied> counted;
        rows_->ask(asked.by_device ? Question::occupancy_by_device : Question::occupancy, asked,
                   [&](const Columns &row) { map(row, asked, counted.emplace_back()); });
        auto around = asked;
        around.most = most_stretches;
        auto found = all<StretchRow>(Question::stretches, around);
        auto &stretches = found.rows;
        std::erase_if(stretches, [&](const auto &one) { return !is_at(one.spot, scope.place); });
        auto answers = occupancy_of(std::move(counted), stretches, asked, [this] { check_time(); });
        answers.more = answers.more || found.more;
        tell_cut(answers, asked);
        if (answers.rows.empty()) answers.anybody_listened = false;
        return answers;
    });
}

// Of all places: a Pi that was at another one was not silent.
Answers<CoverageStretch> Questions::stretches(Asked asked, Time present) {
    asked.place.reset();
    auto stretches = all<StretchRow>(Question::stretches, asked);
    auto gaps = all<GapRow>(Question::gaps, asked);
    // What was cut off ended before that.
    if (stretches.more) asked.since = std::max(asked.since, to_milliseconds(stretches.rows.back().last));
    auto everyone = asked;
    everyone.most = most_pis;
    Answers<CoverageStretch> answers;
    answers.rows =
        listening_of(states(everyone, present).rows, std::move(stretches.rows), std::move(gaps.rows),
                     from_milliseconds(asked.since), from_milliseconds(asked.until), present);
    answers.more = stretches.more || gaps.more;
    return answers;
}

Answers<CoverageStretch> Questions::coverage(const Scope &scope) {
    return within([&] {
        auto asked = asked_of(scope);
        // Of all Pis and places, while the limit is for those that are asked for, with what is between the stretches.
        asked.most = std::max(asked.most, least_stretches);
        auto answers = stretches(asked, scope.present);
        std::erase_if(answers.rows, [&](const auto &one) { return !is_at(one.spot, scope.place); });
        if (keep_latest(answers.rows, static_cast<std::size_t>(limits_.rows))) answers.more = true;
        return answers;
    });
}

Answers<Missing> Questions::missing(const Scope &scope) {
    return within([&] { return all<Missing>(Question::losses, asked_of(scope)); });
}

Answers<TopAdvertiser> Questions::top(const Scope &scope) {
    return within([&] {
        const auto asked = asked_of(scope);
        const auto heard = heard_by(asked);
        auto answers = all<TopAdvertiser>(Question::top, heard);
        tell_cut(answers, heard);
        tell_silence(answers, asked);
        return answers;
    });
}

}  // namespace ble
