// Notices two runs of one device that go on at once: two Pis with one device_id, as after a card was copied.
//
// The runs of a device take turns: a run takes the turn when one of its windows, by its own clock, is later than the one
// that the last turn was taken with. When a Pi restarts, its new run takes the turn once; the old run has
// no new windows, and never takes it back. If the clock was set back in between, or the old run's batches come late
// among the new ones, windows of the old run may now and then look later. Two Pis take the turn from each
// other at every interval, or, when their clocks or delays differ by some time, once in each such time. So two runs
// go on at once when each has taken the turn back three times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "store/rows/turn_rows.hpp"

namespace ble {

// Works inside the store's transaction, and keeps in the database what must outlive it: other processes may store the
// other run.
class TwinWatch {
  public:
    explicit TwinWatch(TurnRows &rows);

    void begin(std::int64_t now_ms);  // a transaction begins
    void forget();                    // a transaction, or part of one, was rolled back

    // A batch of `run` beyond all earlier ones is stored, whose window ended at `end_ms` by its device's clock. Returns
    // the run_id of another run of the device when the two are noticed; then it is silent about them.
    std::optional<std::string> advance(std::int64_t device, std::int64_t run, std::int64_t end_ms);

  private:
    std::optional<std::string> meet(std::int64_t device, std::int64_t run, std::int64_t returns,
                                    std::int64_t other);

    TurnRows &rows_;
    std::unordered_map<std::int64_t, Turn> turns_;  // by device; of this transaction
    std::int64_t now_ms_ = 0;
};

}  // namespace ble
