// The spool in memory: what it holds is gone with the process.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "batch/batch.hpp"
#include "spool/age_limit.hpp"
#include "spool/gap_ledger.hpp"
#include "spool/spool.hpp"

namespace ble {

class RamSpool final : public Spool {
  public:
    // Batches that are here for longer than max_age are too old, see AgeLimit; 0: none ever is.
    explicit RamSpool(std::size_t capacity, std::chrono::milliseconds max_age = {},
                      Now now = UptimeClock::now)
        : capacity_(capacity), limit_(max_age), now_(std::move(now)) {}

    std::size_t push(std::span<const std::string_view> lines, WhenFull when_full) override;
    std::optional<Entry> next() override;
    bool expire() override;
    std::string_view line(std::uint64_t id) const override;
    void remove(std::uint64_t id) override;
    void give_up(std::uint64_t id, const std::string &reason) override;
    void give_back(std::uint64_t id) override;
    std::size_t size() const override { return batches_.size() + gaps_.size() + in_flight_.size(); }
    std::size_t in_flight() const override { return in_flight_.size(); }
    bool full() const override { return batches() >= capacity_; }
    std::size_t capacity() const override { return capacity_; }
    std::chrono::milliseconds oldest_age() const override;
    Loss loss() const override { return loss_; }
    std::string description() const override;

  private:
    struct Item {
        std::string line;
        UptimeClock::time_point since;
        bool is_gap = false;         // outside the bound, never dropped
        std::unique_ptr<Gap> grows;  // a gap of ours
    };
    using Items = std::map<std::uint64_t, Item>;  // by id

    std::size_t batches() const { return batches_.size() + batches_in_flight_; }
    bool oldest_is_too_old() const;
    void drop_oldest(Cause cause);
    bool tell(const ParsedLine &lost, std::uint64_t id, UptimeClock::time_point since,
              const std::string &reason);

    std::size_t capacity_;
    AgeLimit limit_;
    Now now_;
    Items batches_, in_flight_;  // the first wait, as do the gap lines
    GapLedger gaps_;
    std::size_t batches_in_flight_ = 0;
    std::uint64_t next_id_ = 0;
    Loss loss_;
    BatchParser parser_;
};

}  // namespace ble
