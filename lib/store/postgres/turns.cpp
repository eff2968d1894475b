#include "store/postgres/turns.hpp"

namespace ble {
namespace {

constexpr Query find_turns{"SELECT device, run, at FROM turns WHERE device = ANY ($1::bigint[])"};
constexpr Query find_turn{"SELECT device, run, at FROM turns WHERE device = $1::bigint"};
constexpr Query take_turn{
    "INSERT INTO turns (device, run, at) VALUES ($1::bigint, $2::bigint, $3::bigint)"
    " ON CONFLICT (device) DO UPDATE SET run = excluded.run, at = excluded.at"};
constexpr Query move_turn{"UPDATE turns SET at = $2::bigint WHERE device = $1::bigint"};
constexpr Query meet_at_turn{
    "UPDATE turns SET other = $2::bigint, until = $3::bigint, since = CASE WHEN until BETWEEN $3::bigint - "
    "$4::bigint"
    " AND $3::bigint + $5::bigint AND since <= $3::bigint THEN since ELSE $3::bigint END WHERE device = "
    "$1::bigint"};
constexpr Query find_returns{"SELECT returns FROM runs WHERE id = $1::bigint"};
constexpr Query set_run_returns{"UPDATE runs SET returns = $2::bigint WHERE id = $1::bigint"};
constexpr Query find_run_id{"SELECT run_id FROM runs WHERE id = $1::bigint"};

}  // namespace

Connection::Question PostgresTurns::question(const std::vector<std::int64_t> &devices) {
    return {find_turns, Values::of(devices)};
}

void PostgresTurns::know(const std::vector<std::int64_t> &devices, const Answer &answer) {
    for (const auto device : devices) known_[device] = {};
    for (int row = 0; row < answer.rows(); ++row)
        known_[answer.integer(row, 0)] = {answer.integer(row, 1), answer.integer(row, 2)};
}

Turn PostgresTurns::find(std::int64_t device) {
    if (const auto known = known_.find(device); known != known_.end()) {
        const Turn turn = known->second;
        known_.erase(known);
        return turn;
    }
    const Answer answer = connection_.ask(find_turn, Values::of(device));
    return answer.rows() > 0 ? Turn{answer.integer(0, 1), answer.integer(0, 2)} : Turn{};
}

void PostgresTurns::take(std::int64_t device, const Turn &turn) {
    connection_.queue(take_turn, Values::of(device, turn.run, turn.at));
}

void PostgresTurns::move(std::int64_t device, std::int64_t at) {
    connection_.queue(move_turn, Values::of(device, at));
}

void PostgresTurns::meet(const Meeting &meeting) {
    connection_.queue(meet_at_turn, Values::of(meeting.device, meeting.other, meeting.now_ms,
                                               meeting.most_ago_ms, meeting.most_ahead_ms));
}

std::optional<std::int64_t> PostgresTurns::returns(std::int64_t run) {
    const Answer answer = connection_.ask(find_returns, Values::of(run));
    return answer.rows() > 0 ? answer.number(0, 0) : std::nullopt;
}

void PostgresTurns::set_returns(std::int64_t run, std::int64_t returns) {
    connection_.queue(set_run_returns, Values::of(run, returns));
}

std::string PostgresTurns::run_id(std::int64_t run) {
    const Answer answer = connection_.ask(find_run_id, Values::of(run));
    return answer.rows() > 0 ? std::string(answer.text(0, 0)) : std::string();
}

}  // namespace ble
