#include "store/twin_watch.hpp"

#include <algorithm>

namespace ble {
namespace {

constexpr std::int64_t enough = 3, told = enough + 1;  // of runs.returns
constexpr std::int64_t never = -1;                     // the run has not had the turn yet
constexpr std::int64_t day_ms = 86'400'000;            // later than this, it is another occasion
constexpr std::int64_t ahead_ms = 300'000;  // later than now by more: the word of a clock that was ahead

}  // namespace

TwinWatch::TwinWatch(Database &database)
    : find_(database, "SELECT run, at FROM turns WHERE device = ?"),
      take_(database,
            "INSERT INTO turns (device, run, at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET run = ?2, at = ?3"),
      move_(database, "UPDATE turns SET at = ?2 WHERE device = ?1"),
      returns_(database, "SELECT coalesce(returns, -1) FROM runs WHERE id = ?"),
      returned_(database, "UPDATE runs SET returns = ?2 WHERE id = ?1"),
      met_(database,
           "UPDATE turns SET other = ?2, until = ?3,"
           " since = iif(until BETWEEN ?3 - ?4 AND ?3 + ?5 AND since <= ?3, since, ?3) WHERE device = ?1"),
      run_id_(database, "SELECT run_id FROM runs WHERE id = ?") {}

void TwinWatch::begin(std::int64_t now_ms) {
    now_ms_ = now_ms;
    forget();
}

void TwinWatch::forget() {
    turns_.clear();
}

std::optional<std::string> TwinWatch::advance(std::int64_t device, std::int64_t run, std::int64_t end_ms) {
    const auto [place, unread] = turns_.try_emplace(device);
    Turn &turn = place->second;
    if (unread) {
        find_.bind(1, device);
        if (find_.step()) {
            turn = {find_.integer(0), find_.integer(1)};
            find_.reset();
        }
    }
    if (turn.run == run) {
        if (end_ms >= turn.at) return {};
        // Its clock was set back: a turn that was taken in the future would be nobody else's for ever.
        turn.at = end_ms;
        move_.run(device, end_ms);
        return {};
    }
    const auto before = returns_.find(run).value_or(never);
    if (before != never && end_ms <= turn.at) return {};
    const auto other = turn.run;
    const auto returns = std::max(before, std::min(before + 1, enough));
    turn = {run, end_ms};
    take_.run(device, run, end_ms);
    if (returns != before) returned_.run(run, returns);
    return meet(device, run, returns, other);
}

std::optional<std::string> TwinWatch::meet(std::int64_t device, std::int64_t run, std::int64_t returns,
                                           std::int64_t other) {
    const auto of_other = returns_.find(other).value_or(never);
    if (returns < enough || of_other < enough) return {};
    met_.run(device, other, now_ms_, day_ms, ahead_ms);
    if (returns == told && of_other == told) return {};
    returned_.run(run, told);
    returned_.run(other, told);
    run_id_.bind(1, other);
    std::string id = run_id_.step() ? std::string(run_id_.text(0)) : "";
    run_id_.reset();
    return id;
}

}  // namespace ble
