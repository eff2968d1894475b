// When a batch that waits is too old.
//
// On a link that is slower than the input, batches get too old during every send, and the gap line that tells of them goes
// first: nothing else would ever go out. So each gap line of this kind that has left gives some batches time to follow it.
#pragma once

#include <algorithm>
#include <chrono>

#include "batch/batch.hpp"
#include "spool/gap_ledger.hpp"

namespace ble {

class AgeLimit {
  public:
    static constexpr unsigned batches_for_a_gap = 4;
    // For these: as much again, and at least this, which is longer than any one message takes. So what was left over from before
    // a long time without a network is too old all the same.
    static constexpr std::chrono::minutes least_grace{10};

    // 0: nothing is ever too old.
    explicit AgeLimit(std::chrono::milliseconds max_age) : max_age_(max_age) {}

    bool is_exceeded_by(std::chrono::nanoseconds age) const {
        if (max_age_.count() == 0) return false;
        return age > (owed_ == 0 ? max_age_
                                 : max_age_ + std::max<std::chrono::milliseconds>(max_age_, least_grace));
    }
    void batch_left() { owed_ -= owed_ > 0 ? 1 : 0; }
    void gap_left(const Gap &gap) {
        if (gap.reason == reason_of(Cause::age)) owed_ += batches_for_a_gap;
    }

  private:
    std::chrono::milliseconds max_age_;
    std::size_t owed_ = 0;  // batches that are to leave before others get too old
};

}  // namespace ble
