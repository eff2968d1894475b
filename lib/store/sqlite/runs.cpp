#include "store/sqlite/runs.hpp"

namespace ble {
namespace {

constexpr char columns[] =
    "SELECT from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock FROM gaps ";

std::optional<std::int64_t> number(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

std::optional<bool> flag(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column) != 0);
}

HolePiece piece_of(const Statement &row) {
    return {row.integer(0),
            row.integer(1),
            std::string(row.text(2)),
            row.integer(3),
            {number(row, 4), number(row, 5), flag(row, 6)}};
}

}  // namespace

SqliteRuns::SqliteRuns(Database &database)
    : find_(database,
            "SELECT id, next_seq, used_s, last_end, last_clock, open_from FROM runs"
            " WHERE device = ? AND run_id = ?"),
      insert_(database,
              "INSERT INTO runs (device, run_id, used_s, next_seq) VALUES (?, ?, ?, 0) RETURNING id"),
      save_(database,
            "UPDATE runs SET next_seq = ?2, last_end = ?3, last_clock = ?4, open_from = ?5 WHERE id = ?1"),
      use_(database, "UPDATE runs SET used_s = ?2 WHERE id = ?1"),
      name_hash_(database, "UPDATE runs SET hash_id = ?2 WHERE id = ?1 AND hash_id IS NULL"),
      touching_(database, std::string(columns) +
                              "WHERE run = ?1 AND from_seq <= ?3 + 1 AND "
                              "from_seq >= coalesce((SELECT max(from_seq) FROM gaps WHERE run = ?1 AND "
                              "from_seq < ?2), 0) AND "
                              "to_seq >= ?2 - 1 ORDER BY from_seq LIMIT ?4"),
      gap_at_(database,
              std::string(columns) + "WHERE run = ? AND from_seq <= ? ORDER BY from_seq DESC LIMIT 1"),
      insert_gap_(
          database,
          "INSERT INTO gaps (run, from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      delete_gap_(database, "DELETE FROM gaps WHERE run = ? AND from_seq = ?"),
      close_(database,
             "UPDATE gaps SET lost_to = ?3, lost_clock = CASE WHEN lost_from IS NULL THEN ?4 WHEN lost_from "
             "> ?3 THEN 0"
             " WHEN lost_clock = 0 OR ?4 = 0 THEN 0 WHEN lost_clock = 1 AND ?4 = 1 THEN 1 END"
             " WHERE run = ?1 AND lost_to IS NULL AND from_seq >="
             " coalesce((SELECT max(from_seq) FROM gaps WHERE run = ?1 AND from_seq <= ?2), 0)"),
      holes_(database, "SELECT holes FROM devices WHERE id = ?"),
      set_holes_(database, "UPDATE devices SET holes = ?2 WHERE id = ?1") {}

std::optional<RunRow> SqliteRuns::find(std::int64_t device, const std::string &run_id) {
    find_.bind(1, device).bind(2, run_id);
    if (!find_.step()) return {};
    const RunRow run{find_.integer(0),
                     find_.integer(1),
                     find_.integer(2),
                     {number(find_, 3), flag(find_, 4)},
                     number(find_, 5)};
    find_.reset();
    return run;
}

std::int64_t SqliteRuns::insert(std::int64_t device, const std::string &run_id, std::int64_t used_s) {
    return insert_.insert(device, run_id, used_s);
}

void SqliteRuns::save(const RunRow &run) {
    save_.run(run.id, run.next_seq, run.last.at, run.last.synced, run.open_from);
}

std::vector<HolePiece> SqliteRuns::touching(std::int64_t run, std::int64_t from, std::int64_t to,
                                            std::int64_t most) {
    std::vector<HolePiece> pieces;
    touching_.bind(1, run).bind(2, from).bind(3, to).bind(4, most);
    while (touching_.step()) pieces.push_back(piece_of(touching_));
    return pieces;
}

std::optional<HolePiece> SqliteRuns::gap_at(std::int64_t run, std::int64_t seq) {
    gap_at_.bind(1, run).bind(2, seq);
    if (!gap_at_.step()) return {};
    HolePiece piece = piece_of(gap_at_);
    gap_at_.reset();
    return piece;
}

void SqliteRuns::insert_gap(std::int64_t run, const HolePiece &piece) {
    insert_gap_.run(run, piece.from, piece.to, piece.reason, piece.noticed_at, piece.lost.from, piece.lost.to,
                    piece.lost.synced);
}

void SqliteRuns::close(std::int64_t run, std::int64_t open_from, const Bound &end) {
    close_.run(run, open_from, end.at, end.synced);
}

}  // namespace ble
