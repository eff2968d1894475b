// The gap lines that wait in a spool: what it dropped, one line for each contiguous range of a run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "batch/batch.hpp"

namespace ble {

class GapLedger {
  public:
    using Clock = std::chrono::steady_clock;
    // Past so many, losses of one run that do not adjoin share one gap line, which then also covers what lies between.
    static constexpr std::size_t most = 1000;

    struct Item {
        Clock::time_point since;
        std::unique_ptr<Gap> grows;  // a gap of ours
        std::string line;  // of another tool's gap; the spool may leave it out and keep it elsewhere
    };

    // The batch of that name was dropped, which had this place in the spool: the place of the line that now tells of it.
    // Empty: there are too many lines, and none of its run.
    std::optional<std::uint64_t> lose(std::uint64_t id, Clock::time_point since, const std::string &device_id,
                                      const RunPosition &position);
    // An item begins to wait, or waits again. Of several of a run the last in order is the one that grows.
    void put(std::uint64_t id, Item item);
    // It waits no longer, and no longer grows.
    Item take(std::uint64_t id);

    bool full() const { return items_.size() >= most; }
    bool empty() const { return items_.empty(); }
    std::size_t size() const { return items_.size(); }
    std::uint64_t first_id() const { return items_.begin()->first; }
    const Item &at(std::uint64_t id) const { return items_.at(id); }
    void clear();

  private:
    using Run = std::pair<std::string, std::string>;  // device_id, run_id

    std::map<std::uint64_t, Item> items_;  // by place
    std::map<Run, std::uint64_t> open_;    // the one that a run's next loss may extend
};

}  // namespace ble
