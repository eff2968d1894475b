#include "transport/link_judge.hpp"

#include <algorithm>
#include <utility>

#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

constexpr std::size_t ends_that_part = 3, ends_alone = 2;  // in a row, at the same message
constexpr std::chrono::seconds soon(1);

}  // namespace

std::size_t LinkJudge::begin_link(Clock::time_point now, bool has_control) {
    taken_ = 0;
    begun_ = now;
    has_control_ = has_control;
    if (suspects_.empty() || !has_control) return 0;
    return std::uniform_int_distribution<std::size_t>(0, most_controls)(random_);
}

void LinkJudge::take(std::uint64_t id) {
    ++taken_;
    suspects_.erase(id);
    if (alone_ > 0) --alone_;
    ends_.erase(id);
    quick_ = std::min(quick_ + 1, most_quick);
}

LinkJudge::Verdict LinkJudge::end_link(std::span<const Sent> open, int reason, Clock::time_point now) {
    of_link_ = mqtt_reason_is_of_link(reason);
    told_ = false;
    std::map<std::uint64_t, std::size_t> ends;
    if (!of_link_)
        for (const Sent &sent : open) {
            const auto before = ends_.find(sent.id);
            ends[sent.id] = before == ends_.end() ? 1 : before->second + 1;
        }
    ends_ = std::move(ends);
    const Verdict verdict = judge(open, reason, now);
    told_ = told_ || verdict == Verdict::part || verdict == Verdict::guilty;
    return verdict;
}

bool LinkJudge::retry_soon() {
    if (of_link_) return false;
    if (told_) return true;
    const bool more_are_needed = alone_ > 0 || !suspects_.empty() || (taken_ > 0 && most_ends() > 1);
    if (!more_are_needed || quick_ == 0) return false;
    --quick_;
    return true;
}

LinkJudge::Verdict LinkJudge::judge(std::span<const Sent> open, int reason, Clock::time_point now) {
    if (open.empty() || of_link_) {
        acquit();
        return Verdict::retry;
    }
    const Sent &first = open.front();
    const std::size_t ends = most_ends();
    const bool blamed = mqtt_reason_is_of_message(reason);
    const bool alone = open.size() == 1;
    const auto known = suspects_.find(first.id);
    const bool suspicious = known != suspects_.end() || blamed || ends >= ends_that_part ||
                            (alone_ > 0 && (ends >= ends_alone || first.lines > 1));
    if (!alone || !suspicious) {
        acquit();
        if (suspicious) alone_ = std::max(alone_, taken_ + open.size());
        return Verdict::retry;
    }
    if (first.lines > 1) {
        alone_ += first.lines + 1;  // these, and the next that holds several
        return Verdict::part;
    }
    if (blamed) {
        suspects_.erase(first.id);
        return Verdict::guilty;
    }
    if (alone_ > 0) --alone_;
    auto &[links, took] = suspects_[first.id];
    took = now - first.since;
    told_ = counts(first, now);
    if (told_) ++links;
    if (links < trials) return Verdict::later;
    suspects_.erase(first.id);
    return Verdict::guilty;
}

LinkJudge::Clock::duration LinkJudge::wait_before(std::uint64_t id, Clock::time_point now) const {
    const auto known = suspects_.find(id);
    if (known == suspects_.end() || !has_control_ || taken_ == 0) return {};
    const auto took = known->second.took;
    if (took <= soon) return {};
    return std::max(Clock::duration(0), begun_ + took + took / 2 - now);
}

bool LinkJudge::counts(const Sent &suspect, Clock::time_point now) const {
    const Clock::duration lived = suspect.since - begun_;
    return has_control_ && taken_ > 0 && now - suspect.since <= std::max<Clock::duration>(lived, soon);
}

bool LinkJudge::suspects(std::span<const Sent> open) const {
    return alone_ > 0 || !suspects_.empty() ||
           std::any_of(open.begin(), open.end(), [&](const Sent &sent) { return ends_.contains(sent.id); });
}

std::size_t LinkJudge::most_ends() const {
    std::size_t most = 0;
    for (const auto &[id, ends] : ends_) most = std::max(most, ends);
    return most;
}

void LinkJudge::acquit() {
    for (auto &[id, suspect] : suspects_) suspect.links = 0;
}

}  // namespace ble
