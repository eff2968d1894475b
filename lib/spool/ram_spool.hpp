// The spool in memory: what it holds is gone with the process.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "batch/batch.hpp"
#include "spool/spool.hpp"

namespace ble {

class RamSpool final : public Spool {
  public:
    // Gap lines are bounded too: past so many, losses of one run that do not adjoin share one gap line, which then also
    // covers what lies between them.
    static constexpr std::size_t most_gaps = 1000;

    explicit RamSpool(std::size_t capacity) : capacity_(capacity) {}

    std::size_t push(std::span<const std::string_view> lines, WhenFull when_full) override;
    std::optional<Entry> next() override;
    std::string_view line(std::uint64_t id) const override;
    void remove(std::uint64_t id) override;
    void give_back(std::uint64_t id) override;
    std::size_t size() const override { return batches_.size() + gaps_.size() + in_flight_.size(); }
    std::size_t in_flight() const override { return in_flight_.size(); }
    bool full() const override { return batches() >= capacity_; }
    std::chrono::milliseconds oldest_age() const override;
    Loss loss() const override { return loss_; }
    std::string description() const override;

  private:
    using Clock = std::chrono::steady_clock;
    struct Item {
        std::string
            line;  // of a gap of ours: printed when it is handed out, so that extending it costs nothing
        Clock::time_point since;
        bool is_gap = false;         // outside the bound, never dropped
        std::unique_ptr<Gap> grows;  // a gap of ours
    };
    using Items = std::map<std::uint64_t, Item>;      // by id
    using Run = std::pair<std::string, std::string>;  // device_id, run_id

    std::size_t batches() const { return batches_.size() + batches_in_flight_; }
    void drop_oldest();
    void record_loss(Items::node_type node, const Batch &batch);

    std::size_t capacity_;
    Items batches_, gaps_, in_flight_;  // the first two wait
    std::size_t batches_in_flight_ = 0;
    std::map<Run, std::uint64_t> open_gaps_;  // the waiting gap that a run's next loss may extend
    std::uint64_t next_id_ = 0;
    Loss loss_;
    BatchParser parser_;
};

}  // namespace ble
