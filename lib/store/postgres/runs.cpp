#include "store/postgres/runs.hpp"

namespace ble {
namespace {

constexpr Query find_runs{
    "SELECT runs.device, runs.run_id, id, next_seq, used_s, last_end, last_clock, open_from"
    " FROM unnest($1::bigint[], $2::text[]) AS asked (device, run_id)"
    " JOIN runs ON runs.device = asked.device AND runs.run_id = asked.run_id"};
constexpr Query find_run{
    "SELECT device, run_id, id, next_seq, used_s, last_end, last_clock, open_from FROM runs"
    " WHERE device = $1::bigint AND run_id = $2"};
constexpr Query insert_run{
    "INSERT INTO runs (device, run_id, used_s, next_seq) VALUES ($1::bigint, $2, $3::bigint, 0) RETURNING "
    "id"};
constexpr Query save_run{
    "UPDATE runs SET next_seq = $2::bigint, last_end = $3::bigint, last_clock = $4::smallint, open_from = "
    "$5::bigint"
    " WHERE id = $1::bigint"};
constexpr Query use_run{"UPDATE runs SET used_s = $2::bigint WHERE id = $1::bigint"};
constexpr Query name_run_hash{"UPDATE runs SET hash_id = $2 WHERE id = $1::bigint AND hash_id IS NULL"};
constexpr Query find_touching{
    "SELECT from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock FROM gaps"
    " WHERE run = $1::bigint AND from_seq <= $3::bigint + 1 AND from_seq >="
    " coalesce((SELECT max(from_seq) FROM gaps WHERE run = $1::bigint AND from_seq < $2::bigint), 0)"
    " AND to_seq >= $2::bigint - 1 ORDER BY from_seq LIMIT $4::bigint"};
constexpr Query find_gap{
    "SELECT from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock FROM gaps"
    " WHERE run = $1::bigint AND from_seq <= $2::bigint ORDER BY from_seq DESC LIMIT 1"};
constexpr Query insert_piece{
    "INSERT INTO gaps (run, from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock)"
    " VALUES ($1::bigint, $2::bigint, $3::bigint, $4, $5::bigint, $6::bigint, $7::bigint, $8::smallint)"};
constexpr Query delete_piece{"DELETE FROM gaps WHERE run = $1::bigint AND from_seq = $2::bigint"};
constexpr Query close_pieces{
    "UPDATE gaps SET lost_to = $3::bigint, lost_clock = CASE WHEN lost_from IS NULL THEN $4::smallint"
    " WHEN lost_from > $3::bigint THEN 0 WHEN lost_clock = 0 OR $4::smallint = 0 THEN 0"
    " WHEN lost_clock = 1 AND $4::smallint = 1 THEN 1 END"
    " WHERE run = $1::bigint AND lost_to IS NULL AND from_seq >="
    " coalesce((SELECT max(from_seq) FROM gaps WHERE run = $1::bigint AND from_seq <= $2::bigint), 0)"};
constexpr Query count_holes{"SELECT holes FROM devices WHERE id = $1::bigint"};
constexpr Query set_device_holes{"UPDATE devices SET holes = $2::bigint WHERE id = $1::bigint"};

std::optional<bool> flag(const Answer &answer, int row, int column) {
    return answer.is_null(row, column) ? std::nullopt : std::optional(answer.integer(row, column) != 0);
}

RunRow run_of(const Answer &answer, int row) {
    return {answer.integer(row, 2),
            answer.integer(row, 3),
            answer.integer(row, 4),
            {answer.number(row, 5), flag(answer, row, 6)},
            answer.number(row, 7)};
}

HolePiece piece_of(const Answer &answer, int row) {
    return {answer.integer(row, 0),
            answer.integer(row, 1),
            std::string(answer.text(row, 2)),
            answer.integer(row, 3),
            {answer.number(row, 4), answer.number(row, 5), flag(answer, row, 6)}};
}

}  // namespace

Connection::Question PostgresRuns::question(const Keys &runs) {
    std::vector<std::int64_t> devices;
    std::vector<std::string_view> ids;
    for (const auto &[device, run_id] : runs) {
        devices.push_back(device);
        ids.push_back(run_id);
    }
    return {find_runs, Values::of(devices, ids)};
}

void PostgresRuns::know(const Keys &runs, const Answer &answer) {
    for (const auto &[device, run_id] : runs) known_[{device, std::string(run_id)}] = {};
    for (int row = 0; row < answer.rows(); ++row)
        known_[{answer.integer(row, 0), std::string(answer.text(row, 1))}] = run_of(answer, row);
}

std::optional<RunRow> PostgresRuns::find(std::int64_t device, const std::string &run_id) {
    if (const auto known = known_.find({device, run_id}); known != known_.end()) {
        const auto row = known->second;
        known_.erase(known);
        return row;
    }
    const Answer answer = connection_.ask(find_run, Values::of(device, run_id));
    return answer.rows() > 0 ? std::optional(run_of(answer, 0)) : std::nullopt;
}

std::int64_t PostgresRuns::insert(std::int64_t device, const std::string &run_id, std::int64_t used_s) {
    const Answer answer = connection_.ask(insert_run, Values::of(device, run_id, used_s));
    if (answer.rows() > 0) return answer.integer(0, 0);
    throw DatabaseError(DatabaseError::Kind::constraint, ExitCode::data,
                        "a trigger kept a run out of the database");
}

void PostgresRuns::save(const RunRow &run) {
    connection_.queue(save_run,
                      Values::of(run.id, run.next_seq, run.last.at, run.last.synced, run.open_from));
}

void PostgresRuns::use(std::int64_t run, std::int64_t used_s) {
    connection_.queue(use_run, Values::of(run, used_s));
}

void PostgresRuns::name_hash(std::int64_t run, const std::string &hash_id) {
    connection_.queue(name_run_hash, Values::of(run, hash_id));
}

std::vector<HolePiece> PostgresRuns::touching(std::int64_t run, std::int64_t from, std::int64_t to,
                                              std::int64_t most) {
    const Answer answer = connection_.ask(find_touching, Values::of(run, from, to, most));
    std::vector<HolePiece> pieces;
    pieces.reserve(static_cast<std::size_t>(answer.rows()));
    for (int row = 0; row < answer.rows(); ++row) pieces.push_back(piece_of(answer, row));
    return pieces;
}

std::optional<HolePiece> PostgresRuns::gap_at(std::int64_t run, std::int64_t seq) {
    const Answer answer = connection_.ask(find_gap, Values::of(run, seq));
    return answer.rows() > 0 ? std::optional(piece_of(answer, 0)) : std::nullopt;
}

void PostgresRuns::insert_gap(std::int64_t run, const HolePiece &piece) {
    connection_.queue(insert_piece, Values::of(run, piece.from, piece.to, piece.reason, piece.noticed_at,
                                               piece.lost.from, piece.lost.to, piece.lost.synced));
}

void PostgresRuns::delete_gap(std::int64_t run, std::int64_t from) {
    connection_.queue(delete_piece, Values::of(run, from));
}

void PostgresRuns::close(std::int64_t run, std::int64_t open_from, const Bound &end) {
    connection_.queue(close_pieces, Values::of(run, open_from, end.at, end.synced));
}

std::int64_t PostgresRuns::holes(std::int64_t device) {
    const Answer answer = connection_.ask(count_holes, Values::of(device));
    return answer.rows() > 0 ? answer.integer(0, 0) : 0;
}

void PostgresRuns::set_holes(std::int64_t device, std::int64_t holes) {
    connection_.queue(set_device_holes, Values::of(device, holes));
}

}  // namespace ble
