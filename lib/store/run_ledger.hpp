// Which batches of which runs are stored: next_seq and gaps, constant in size whatever the number of batches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sqlite/database.hpp"
#include "store/lost_span.hpp"
#include "store/pieces.hpp"

namespace ble {

// Works inside the store's transaction. What it remembers from one transaction to the next are ids only: other
// processes may advance the same run.
class RunLedger {
  public:
    struct Run {
        std::int64_t id = 0, next_seq = 0, device = 0;
        Bound last;  // the end of the last window that is known of: stored, or named by a gap line
        std::optional<std::int64_t>
            open_from;  // from there on are holes whose end is not known: no batch behind them has come
        std::uint64_t read_in = 0;  // the transaction that next_seq was read in
        bool dirty = false, hash_named = false;
    };

    explicit RunLedger(Database &database);

    void begin(std::int64_t now_ms, std::int64_t lived_s);  // a transaction begins
    void flush();   // writes what changed; before each commit and release
    void forget();  // a transaction, or part of one, was rolled back

    // The run of that device, created when new.
    Run &find(std::int64_t device, const std::string &run_id, const std::optional<std::string> &hash_id);

    using Piece = HolePiece;
    struct Change {
        bool made = false;
        std::vector<Piece> holes = {};  // what was found or labelled by this
        std::string refused = {};       // why it cannot be, since it would cost too much; nothing was changed
    };
    // A batch that is new (`made`) counts as stored from now on. `window`: when it was.
    Change take(Run &run, std::int64_t seq, const LostSpan &window);
    // Those of from..to that are not stored are a hole for `reason`. `told`: when all of from..to were.
    Change label(Run &run, std::int64_t from, std::int64_t to, const std::string &reason,
                 const LostSpan &told);

  private:
    // label(), of what is open all the same: whoever calls has closed it, or cannot.
    Change mark(Run &run, std::int64_t from, std::int64_t to, const std::string &reason,
                const LostSpan &told);
    std::vector<Piece> touching(const Run &run, std::int64_t from, std::int64_t to);
    // Why not; empty: done.
    std::string replace(const Run &run, const std::vector<Piece> &old, const std::vector<Piece> &now);
    void advance(Run &run, std::int64_t next_seq);
    void close(Run &run, const Bound &end);
    std::vector<Piece> unseen(const Run &run, const Piece &line);

    Statement find_, insert_, use_, name_hash_, advance_, touching_, gap_at_, insert_gap_, delete_gap_,
        close_;
    Statement holes_, count_holes_;
    std::unordered_map<std::string, Run> runs_;
    std::vector<Run *> dirty_;
    std::uint64_t transaction_ = 0;
    std::unordered_map<std::int64_t, std::int64_t>
        holes_of_;  // by device; those that changed in this transaction
    std::int64_t now_ms_ = 0, lived_s_ = 0;
};

}  // namespace ble
