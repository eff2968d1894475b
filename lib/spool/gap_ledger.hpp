// The gap lines that wait: what was dropped or given up, one line for each contiguous range of a run and each reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "base/clocks.hpp"
#include "batch/batch.hpp"
#include "spool/spool.hpp"

namespace ble {

// What a gap line says of a batch that a spool dropped.
constexpr const char *reason_of(Cause cause) {
    return cause == Cause::age ? "expired" : "buffer_full";
}

class GapLedger {
  public:
    // With more than this, losses of one run that are not adjacent, or have another reason, share one gap line, which then also
    // covers what is between them.
    static constexpr std::size_t most = 1000;

    struct Item {
        UptimeClock::time_point since;
        std::unique_ptr<Gap> grows;  // a gap of ours
        std::string line;  // of another tool's gap; the spool may leave it out and keep it elsewhere
    };

    // A batch was lost, the one that `lost` names, which had this place in the spool: the place of the line that now tells of it.
    // Empty: there are too many lines, and none of its run.
    std::optional<std::uint64_t> lose(std::uint64_t id, UptimeClock::time_point since, Gap lost);
    // An item begins to wait, or waits again. Of several of a run and a reason the last in order is the one that grows.
    void put(std::uint64_t id, Item item);
    // It waits no longer, and no longer grows.
    Item take(std::uint64_t id);

    bool full() const { return items_.size() >= most; }
    bool empty() const { return items_.empty(); }
    std::size_t size() const { return items_.size(); }
    bool contains(std::uint64_t id) const { return items_.contains(id); }
    std::uint64_t first_id() const { return items_.begin()->first; }
    const Item &at(std::uint64_t id) const { return items_.at(id); }
    void clear();

  private:
    using Key = std::tuple<std::string, std::string, std::string>;  // device_id, run_id, reason
    using Open = std::map<Key, std::uint64_t>;
    Open::iterator grows_for(const Key &key);

    std::map<std::uint64_t, Item> items_;  // by place
    Open open_;                            // the one that a run's next loss may extend
};

}  // namespace ble
