// The spool on disk: what push() took outlives kill -9 and a power cut.
//
// One push() is one transaction. What was delivered is removed with the next one, or when a minute or many removals
// have passed, so that a quiet spool costs one sync a batch; after a kill those are sent again. Lines are read ahead of
// sending in small pages: memory does not grow with the backlog.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "batch/batch.hpp"
#include "spool/age_limit.hpp"
#include "spool/gap_ledger.hpp"
#include "spool/line_clock.hpp"
#include "spool/spool.hpp"
#include "spool/spool_disk.hpp"
#include "spool/spool_file.hpp"
#include "spool/spool_rows.hpp"
#include "sqlite/database.hpp"

namespace ble {

class DurableSpool final : public Spool {
  public:
    struct Bounds {
        std::size_t batches;
        std::uint64_t bytes;  // of lines; the batch that reaches it is still taken
        std::chrono::milliseconds put_off = std::chrono::minutes(1);  // removals, at most
        std::chrono::milliseconds max_age{
            0};  // batches that are here for longer are too old, see AgeLimit; 0: none ever is
    };
    // See SpoolFile for what it throws.
    DurableSpool(const std::string &path, Bounds bounds, SpoolClocks clocks = {});
    ~DurableSpool() override;  // commits the removals

    std::size_t push(std::span<const std::string_view> lines, WhenFull when_full) override;
    std::optional<Entry> next() override;
    bool expire() override;
    std::string_view line(std::uint64_t id) const override;
    void remove(std::uint64_t id) override;
    void give_up(std::uint64_t id, const std::string &reason) override;
    void give_back(std::uint64_t id) override;
    void settle() override;
    std::size_t size() const override { return batches_ + gaps_.size() + gaps_in_flight_; }
    std::size_t in_flight() const override { return in_flight_.size(); }
    bool full() const override { return batches_ >= bounds_.batches || bytes_ >= bounds_.bytes; }
    std::size_t capacity() const override;
    std::chrono::milliseconds oldest_age() const override;
    Loss loss() const override { return loss_; }
    bool durable() const override { return true; }
    std::string description() const override;

  private:
    using Clock = std::chrono::steady_clock;
    struct Item {
        std::string line;
        UptimeClock::time_point since;
        bool is_gap = false;
        std::unique_ptr<Gap> grows;
    };
    using Items = std::map<std::uint64_t, Item>;  // by id

    struct Lost {
        UptimeClock::time_point since;
        Gap batch;
    };

    void load();
    void load_gaps();
    void read_ahead();
    std::size_t store(std::span<const std::string_view> lines, WhenFull when_full);
    void insert(const SpoolRows::Row &row, UptimeClock::time_point came);
    bool oldest_is_too_old();
    bool make_room(WhenFull when_full);
    bool drop_oldest(Cause cause);
    void lose(std::uint64_t id, Item item, Cause cause);
    void undo(const SqliteError &error, std::size_t batches, std::uint64_t bytes);
    bool tell(std::uint64_t id, const Lost &lost);
    void end(Items::iterator sent);
    void save_losses();
    bool is_older_by(std::chrono::seconds age_step) const;
    void save_state(std::chrono::seconds age_step);
    void save(std::chrono::seconds age_step);
    void commit_removals();
    void run_removals();
    void commit(Transaction &transaction);
    bool has_room() { return batches_ == 0 || disk_.has_room(); }

    std::string path_;
    Bounds bounds_;
    AgeLimit limit_;
    SpoolFile file_;
    Database &database_;
    SpoolDisk disk_;
    SpoolRows rows_;
    SpoolRows::State saved_, saving_;  // in the file; there after the commit
    LineClock clock_;

    // The file's rows less `removed_…`: in flight, in ahead_, in gaps_, or beyond read_to_.
    Items in_flight_, ahead_;
    GapLedger gaps_;
    std::uint64_t read_to_ = 0;
    std::size_t batches_ = 0, gaps_in_flight_ = 0, ahead_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    Loss loss_;
    std::uint64_t next_id_ = 1;

    std::set<std::uint64_t> removed_, removed_gaps_;  // still in the file
    Clock::time_point removed_since_;
    std::map<std::uint64_t, Lost> given_up_;   // of what is removed and still in the file
    std::set<std::uint64_t> touched_;          // gap lines that are not in the file as they are now
    std::size_t most_lines_ = ~std::size_t{};  // of one push; fewer when more failed
    BatchParser parser_;
};

}  // namespace ble
