#include "blesend/delivery.hpp"

#include <algorithm>

namespace ble {

Delivery::Delivery(Spool &spool, Transport &transport, RejectFile &reject, Counters &counters,
                   std::size_t inflight, OnFailure on_failure)
    : spool_(spool),
      transport_(transport),
      reject_(reject),
      counters_(counters),
      inflight_(inflight),
      on_failure_(on_failure) {}

void Delivery::pump() {
    for (const Result &result : transport_.step()) settle(result);
    // After a failure everything outstanding ends before the oldest is sent again: so order holds on each connection.
    if (rewinding_ && spool_.in_flight() == 0) rewinding_ = false;
    while (!rewinding_ && spool_.in_flight() < std::min(inflight_, transport_.window())) {
        const auto entry = spool_.next();
        if (!entry) break;
        transport_.send(entry->id, entry->line);
    }
}

void Delivery::settle(const Result &result) {
    if (result.outcome == Outcome::retry && on_failure_ == OnFailure::keep) {
        spool_.give_back(result.id);
        rewinding_ = true;
        return;
    }
    if (result.outcome == Outcome::delivered) {
        ++counters_.out;
    } else if (result.outcome == Outcome::refused) {
        reject_.add(spool_.line(result.id), result.reason);
        ++counters_.rejected;
    } else {
        ++counters_.dropped;
        if (said_.due())
            log_warning("dropped after one try (" + std::to_string(counters_.dropped) +
                        " so far): " + result.reason);
    }
    spool_.remove(result.id);
    last_progress_ = Clock::now();
}

}  // namespace ble
