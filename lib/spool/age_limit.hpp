// When a batch that waits is too old.
//
// On a link that is slower than the input, batches get too old during every send, and their gap line goes
// first: no batch would ever go out. So each such gap line that was sent gives some batches time to follow it.
#pragma once

#include <algorithm>
#include <chrono>

#include "batch/batch.hpp"
#include "spool/gap_ledger.hpp"

namespace ble {

class AgeLimit {
  public:
    static constexpr unsigned batches_for_a_gap = 4;
    // The extra time of these: max_age again, and at least this, which is longer than any message takes. Batches from before
    // a long time without a network are still too old.
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
