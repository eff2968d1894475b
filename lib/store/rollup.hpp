// The rollup: what each Pi heard of each advertiser in five minutes and in a day, and how many were at each place, so that questions about weeks
// read no detections. It is made after storing: the transaction that stores batches notes that they are due, and small steps
// merge these, each exactly once, in the transaction that removes the note. Only sums, a maximum and a minimum are kept,
// so the order of arrival does not matter, and late batches need nothing special.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "store/store.hpp"
#include "store/tables.hpp"

namespace ble {

class RollUp {
  public:
    explicit RollUp(Tables &tables);

    // In the transaction that stores it; until flush() it is only remembered. A batch without detections counts for its window.
    void stored(std::int64_t batch, std::size_t detections);
    void flush();
    void forget();
    // Of a batch of an archive that is new here: was it merged before retention deleted it, as far as can be told? That is so when details of
    // its day were deleted, and the rollups have all that it heard.
    bool was_merged(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard);

    bool is_whole(std::int64_t day);  // nothing that went into it was deleted

    // As Store::roll_up() says. Makes its own transaction.
    RolledUp step(std::chrono::minutes occupancy);
    // Merges some of what is due, in the present transaction, in which nobody else rolls up. Tells how many batches, and how many are left.
    RolledUp merge_some();
    // As Store::rebuild_rollups() says. Makes its own transactions.
    RebuiltRollups rebuild(std::int64_t from_day);

  private:
    void note(const std::vector<Touched> &touched);
    bool count_some(std::chrono::minutes occupancy);

    Tables &tables_;
    RollupRows &rows_;
    std::vector<DueRange> stored_;
    std::map<std::int64_t, bool> whole_days_;  // as known in this transaction
    std::int64_t room_;                        // how many detections the next step takes, about
};

}  // namespace ble
