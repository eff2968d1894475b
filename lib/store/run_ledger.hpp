// Which batches of which runs are stored: next_seq and gaps, constant in size whatever the number of batches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sqlite/database.hpp"

namespace ble {

// Works inside the store's transaction. What it remembers from one transaction to the next are ids only: other
// processes may advance the same run.
class RunLedger {
  public:
    struct Run {
        std::int64_t id = 0, next_seq = 0;
        std::uint64_t read_in = 0;  // the transaction that next_seq was read in
        bool dirty = false, hash_named = false;
    };

    explicit RunLedger(Database &database);

    void begin(std::int64_t now_ms);  // a transaction begins
    void flush();                     // writes what changed; before each commit and release
    void forget();                    // a transaction, or part of one, was rolled back

    // The run of that device, created when new.
    Run &find(std::int64_t device, const std::string &run_id, const std::optional<std::string> &hash_id);

    struct Piece {
        std::int64_t from, to;
        std::string reason;
        std::int64_t noticed_at;
    };
    // Is the batch new? Then it counts as stored from now on. `holes`: what this uncovers.
    bool take(Run &run, std::int64_t seq, std::vector<Piece> &holes);
    // Those of from..to that are not stored are a hole for `reason`. Returns what was found or labelled by this.
    std::vector<Piece> label(Run &run, std::int64_t from, std::int64_t to, const std::string &reason);

  private:
    std::vector<Piece> touching(const Run &run, std::int64_t from, std::int64_t to);
    void replace(const Run &run, const std::vector<Piece> &old, const std::vector<Piece> &now);

    Statement find_, insert_, name_hash_, advance_, touching_, gap_at_, insert_gap_, delete_gap_;
    std::unordered_map<std::string, Run> runs_;
    std::vector<Run *> dirty_;
    std::uint64_t transaction_ = 0;
    std::int64_t now_ms_ = 0;
};

}  // namespace ble
