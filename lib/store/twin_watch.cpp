#include "store/twin_watch.hpp"
#include "store/milliseconds.hpp"

#include <algorithm>

namespace ble {
namespace {

constexpr std::int64_t enough = 3, told = enough + 1;  // of runs.returns
constexpr std::int64_t never = -1;                     // the run has not had the turn yet
constexpr std::int64_t another_occasion_ms = day_ms;   // later than this
constexpr std::int64_t ahead_ms = 300'000;  // later than now by more: the word of a clock that was ahead

}  // namespace

TwinWatch::TwinWatch(TurnRows &rows) : rows_(rows) {}

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
    if (unread) turn = rows_.find(device);
    if (turn.run == run) {
        if (end_ms >= turn.at) return {};
        // Its clock was set back: a turn that was taken in the future would be nobody else's for ever.
        turn.at = end_ms;
        rows_.move(device, end_ms);
        return {};
    }
    const auto before = rows_.returns(run).value_or(never);
    if (before != never && end_ms <= turn.at) return {};
    const auto other = turn.run;
    const auto returns = std::max(before, std::min(before + 1, enough));
    turn = {run, end_ms};
    rows_.take(device, turn);
    if (returns != before) rows_.set_returns(run, returns);
    return meet(device, run, returns, other);
}

std::optional<std::string> TwinWatch::meet(std::int64_t device, std::int64_t run, std::int64_t returns,
                                           std::int64_t other) {
    const auto of_other = rows_.returns(other).value_or(never);
    if (returns < enough || of_other < enough) return {};
    rows_.meet({device, other, now_ms_, another_occasion_ms, ahead_ms});
    if (returns == told && of_other == told) return {};
    rows_.set_returns(run, told);
    rows_.set_returns(other, told);
    return rows_.run_id(other);
}

}  // namespace ble
