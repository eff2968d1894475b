#include "store/run_ledger.hpp"

#include <algorithm>

namespace ble {
namespace {

constexpr std::size_t most_remembered = 10'000;
// No seq of a line is larger (blepipe-batch(5)). What the database says is bounded by it as well: people edit it.
constexpr std::int64_t most_seq = (std::int64_t{1} << 53) - 1;
const std::string missing = "missing";

std::int64_t seq_of(std::int64_t stored) {
    return std::clamp<std::int64_t>(stored, 0, most_seq + 1);
}

// Two tools may give different reasons for one hole; which line came first must not matter.
const std::string &stronger(const std::string &one, const std::string &other) {
    if (one == missing) return other;
    if (other == missing) return one;
    return std::min(one, other);
}

using Piece = RunLedger::Piece;

// Sorts, and joins neighbours with one reason.
std::vector<Piece> join(std::vector<Piece> pieces) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece &a, const Piece &b) { return a.from < b.from; });
    std::vector<Piece> out;
    for (auto &piece : pieces) {
        if (!out.empty() && out.back().to + 1 == piece.from && out.back().reason == piece.reason) {
            out.back().to = piece.to;
            out.back().noticed_at = std::min(out.back().noticed_at, piece.noticed_at);
        } else {
            out.push_back(std::move(piece));
        }
    }
    return out;
}

}  // namespace

RunLedger::RunLedger(Database &database)
    : find_(database, "SELECT id, next_seq FROM runs WHERE device = ? AND run_id = ?"),
      insert_(database, "INSERT INTO runs (device, run_id, next_seq) VALUES (?, ?, 0) RETURNING id"),
      name_hash_(database, "UPDATE runs SET hash_id = ?2 WHERE id = ?1 AND hash_id IS NULL"),
      advance_(database, "UPDATE runs SET next_seq = ?2 WHERE id = ?1"),
      touching_(
          database,
          "SELECT from_seq, to_seq, reason, noticed_at FROM gaps WHERE run = ?1 AND from_seq <= ?3 + 1 AND "
          "from_seq >= coalesce((SELECT max(from_seq) FROM gaps WHERE run = ?1 AND from_seq < ?2), 0) AND "
          "to_seq >= ?2 - 1 ORDER BY from_seq"),
      gap_at_(database,
              "SELECT from_seq, to_seq, reason, noticed_at FROM gaps WHERE run = ? AND from_seq <= ? "
              "ORDER BY from_seq DESC LIMIT 1"),
      insert_gap_(database,
                  "INSERT INTO gaps (run, from_seq, to_seq, reason, noticed_at) VALUES (?, ?, ?, ?, ?)"),
      delete_gap_(database, "DELETE FROM gaps WHERE run = ? AND from_seq = ?") {}

void RunLedger::begin(std::int64_t now_ms) {
    ++transaction_;
    now_ms_ = now_ms;
    if (runs_.size() > most_remembered) forget();
}

void RunLedger::flush() {
    for (Run *run : dirty_) {
        advance_.run(run->id, run->next_seq);
        run->dirty = false;
    }
    dirty_.clear();
}

void RunLedger::forget() {
    dirty_.clear();
    runs_.clear();
}

RunLedger::Run &RunLedger::find(std::int64_t device, const std::string &run_id,
                                const std::optional<std::string> &hash_id) {
    Run &run = runs_[std::to_string(device) + ' ' + run_id];
    if (run.read_in != transaction_) {
        find_.bind(1, device).bind(2, run_id);
        if (find_.step()) {
            run.id = find_.integer(0);
            run.next_seq = seq_of(find_.integer(1));
            find_.reset();
        } else {
            run.id = insert_.insert(device, run_id);
            run.next_seq = 0;
        }
        run.read_in = transaction_;
    }
    if (hash_id && !run.hash_named) {
        name_hash_.run(run.id, *hash_id);
        run.hash_named = true;
    }
    return run;
}

std::vector<Piece> RunLedger::touching(const Run &run, std::int64_t from, std::int64_t to) {
    std::vector<Piece> pieces;
    touching_.bind(1, run.id).bind(2, from).bind(3, to);
    while (touching_.step())
        pieces.push_back({touching_.integer(0), seq_of(touching_.integer(1)), std::string(touching_.text(2)),
                          touching_.integer(3)});
    return pieces;
}

void RunLedger::replace(const Run &run, const std::vector<Piece> &old, const std::vector<Piece> &now) {
    for (const auto &piece : old) delete_gap_.run(run.id, piece.from);
    for (const auto &piece : now)
        insert_gap_.run(run.id, piece.from, piece.to, piece.reason, piece.noticed_at);
}

bool RunLedger::take(Run &run, std::int64_t seq, std::vector<Piece> &holes) {
    if (seq >= run.next_seq) {
        if (seq > run.next_seq) holes = label(run, run.next_seq, seq - 1, missing);
        run.next_seq = seq + 1;
        if (!run.dirty) dirty_.push_back(&run);
        run.dirty = true;
        return true;
    }
    gap_at_.bind(1, run.id).bind(2, seq);
    if (!gap_at_.step()) return false;
    const Piece gap{gap_at_.integer(0), seq_of(gap_at_.integer(1)), std::string(gap_at_.text(2)),
                    gap_at_.integer(3)};
    gap_at_.reset();
    if (seq > gap.to) return false;
    std::vector<Piece> rest;
    if (gap.from < seq) rest.push_back({gap.from, seq - 1, gap.reason, gap.noticed_at});
    if (seq < gap.to) rest.push_back({seq + 1, gap.to, gap.reason, gap.noticed_at});
    replace(run, {gap}, rest);
    return true;
}

std::vector<Piece> RunLedger::label(Run &run, std::int64_t from, std::int64_t to, const std::string &reason) {
    const auto old = touching(run, std::min(from, run.next_seq), to);
    std::vector<Piece> now, changed;
    for (const auto &piece : old) {
        const Piece inside{std::max(piece.from, from), std::min(piece.to, to), stronger(piece.reason, reason),
                           piece.noticed_at};
        if (inside.from > inside.to || inside.reason == piece.reason) {
            now.push_back(piece);
            continue;
        }
        if (piece.from < inside.from)
            now.push_back({piece.from, inside.from - 1, piece.reason, piece.noticed_at});
        now.push_back(inside);
        changed.push_back(inside);
        if (inside.to < piece.to) now.push_back({inside.to + 1, piece.to, piece.reason, piece.noticed_at});
    }
    if (to >= run.next_seq) {
        const Piece unseen{std::max(from, run.next_seq), to, reason, now_ms_};
        // What lies before a hole that we were told of, and was not seen either.
        if (from > run.next_seq) {
            now.push_back({run.next_seq, from - 1, missing, now_ms_});
            changed.push_back(now.back());
        }
        now.push_back(unseen);
        changed.push_back(unseen);
        run.next_seq = to + 1;
        if (!run.dirty) dirty_.push_back(&run);
        run.dirty = true;
    }
    if (!changed.empty()) replace(run, old, join(std::move(now)));
    return changed;
}

}  // namespace ble
