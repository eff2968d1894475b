#include "transport/link_judge.hpp"

#include <algorithm>

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
    if (id == first_) ends_ = 0;
    quick_ = std::min(quick_ + 1, most_quick);
}

LinkJudge::Verdict LinkJudge::end_link(std::span<const Sent> open, int reason, Clock::time_point now) {
    of_link_ = mqtt_reason_is_of_link(reason);
    told_ = false;
    const Verdict verdict = judge(open, reason, now);
    open_.clear();
    for (const Sent &sent : open) open_.push_back(sent.id);
    told_ = told_ || verdict == Verdict::part || verdict == Verdict::guilty;
    return verdict;
}

bool LinkJudge::retry_soon() {
    if (of_link_) return false;
    if (told_) return true;
    const bool more_are_needed = alone_ > 0 || !suspects_.empty() || (taken_ > 0 && ends_ > 1);
    if (!more_are_needed || quick_ == 0) return false;
    --quick_;
    return true;
}

LinkJudge::Verdict LinkJudge::judge(std::span<const Sent> open, int reason, Clock::time_point now) {
    if (open.empty() || of_link_) {
        acquit();
        ends_ = 0;
        return Verdict::retry;
    }
    const Sent &first = open.front();
    ends_ = first.id == first_ ? ends_ + 1 : 1;
    first_ = first.id;
    const bool blamed = mqtt_reason_is_of_message(reason);
    const bool alone = open.size() == 1;
    const auto known = suspects_.find(first.id);
    const bool suspicious = known != suspects_.end() || blamed || ends_ >= ends_that_part ||
                            (alone_ > 0 && (ends_ >= ends_alone || first.lines > 1));
    if (!alone || !suspicious) {
        acquit();
        if (suspicious) alone_ = std::max(alone_, open.size());
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
    return alone_ > 0 || !suspects_.empty() || std::any_of(open.begin(), open.end(), [&](const Sent &sent) {
               return std::find(open_.begin(), open_.end(), sent.id) != open_.end();
           });
}

void LinkJudge::acquit() {
    for (auto &[id, suspect] : suspects_) suspect.links = 0;
}

}  // namespace ble
