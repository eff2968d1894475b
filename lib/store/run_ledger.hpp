// Which batches of which runs are stored: next_seq and gaps, constant in size whatever the number of batches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/lost_span.hpp"
#include "store/pieces.hpp"
#include "store/rows/run_rows.hpp"

namespace ble {

// Works inside the store's transaction. From one transaction to the next it remembers only ids: other
// processes may advance the same run.
class RunLedger {
  public:
    struct Run : RunRow {
        std::int64_t device = 0;
        std::uint64_t read_in = 0;  // the transaction that the row was read in
        bool dirty = false, hash_named = false;
    };

    explicit RunLedger(RunRows &rows);

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

    // What another store knows of a part of the run: all of from..to but its holes, which are in order.
    struct Part {
        std::int64_t from, to;
        std::vector<Piece> holes;
        Bound last =
            {};  // the end of the last window that it knows of, and from where on the ends of holes are not known; with the
        std::optional<std::int64_t> open_from = {};  // last part
    };
    // What either of both knows is known, from then on.
    Change merge(Run &run, const Part &part);

  private:
    // label(), of what is open all the same: whoever calls has closed it, or cannot.
    Change mark(Run &run, std::int64_t from, std::int64_t to, const std::string &reason,
                const LostSpan &told);
    // Why not; empty: done.
    std::string replace(const Run &run, const std::vector<Piece> &old, const std::vector<Piece> &now);
    void advance(Run &run, std::int64_t next_seq);
    void close(Run &run, const Bound &end);
    std::vector<Piece> unseen(const Run &run, const Piece &line);

    RunRows &rows_;
    std::unordered_map<std::string, Run> runs_;
    std::vector<Run *> dirty_;
    std::uint64_t transaction_ = 0;
    std::unordered_map<std::int64_t, std::int64_t>
        holes_of_;  // by device; those that changed in this transaction
    std::int64_t now_ms_ = 0, lived_s_ = 0;
};

}  // namespace ble
