#include "blesend/loss_report.hpp"

namespace ble {

LossReport::LossReport(const Spool &spool, Counters &counters)
    : spool_(spool), counters_(counters), at_start_(spool.loss()), told_(at_start_) {}

void LossReport::tell() {
    const Spool::Loss loss = spool_.loss();
    if (loss == told_) return;
    const auto dropped = loss.dropped - told_.dropped, expired = loss.expired - told_.expired;
    told_ = loss;
    if (dropped > 0) {
        counters_.dropped += dropped;
        if (dropped_said_.due())
            log_warning("the spool is full and nothing is delivered: dropped the oldest, " +
                        since_start(loss.dropped - at_start_.dropped, loss));
    }
    if (expired > 0) {
        counters_.expired += expired;
        if (expired_said_.due())
            log_warning("dropped batches that are older than --max-age, " +
                        since_start(loss.expired - at_start_.expired, loss));
    }
}

std::string LossReport::since_start(std::uint64_t lost, const Spool::Loss &now) const {
    const auto unnamed = now.unnamed - at_start_.unnamed;
    const std::string text = std::to_string(lost) + " since the start; gap lines will tell of ";
    if (unnamed == 0) return text + "them";
    // They are counted once for both causes: it is not known which of them these are.
    return text + "all lost batches but " + std::to_string(unnamed) + " that have no run_id and seq";
}

}  // namespace ble
