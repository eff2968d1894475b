#include "store/age.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "store/milliseconds.hpp"

namespace ble {
namespace {

constexpr std::int64_t day_s = 86'400;
// So much of the age is lost at most when the machine stops without a word.
constexpr std::int64_t write_every_s = 600;
// A machine that keeps the age and did not write it for so long has nothing to store: another one takes its place.
constexpr std::int64_t idle_s = 2 * write_every_s;
// The machine's clocks part by less than this when nobody sets one: a crystal is wrong by 0.01 %, NTP slews by 0.05 %.
constexpr std::int64_t step_s = 60, drift_per_mille = 1;
// Time between two starts of the machine that is not worth changing all rows for.
constexpr std::int64_t short_rest_s = 3'600;

// A database may say anything: what no sum or difference of these overflows.
std::int64_t bounded(std::int64_t number) {
    constexpr std::int64_t most = std::int64_t{1} << 53;
    return std::clamp(number, -most, most);
}

}  // namespace

StoreAge::StoreAge(AgeRows &rows) : rows_(rows) {}

AgeRow StoreAge::bounded(AgeRow row) {
    for (auto *number : {&row.lived_s, &row.uptime_s, &row.wall_ms, &row.steady_since_s, &row.sure_wall_ms,
                         &row.sure_lived_s, &row.rest_began_s})
        *number = ble::bounded(*number);
    return row;
}

std::int64_t StoreAge::look(const Clocks &clocks) {
    AgeRow row = bounded(rows_.read());
    if (row.boot != clocks.boot && rows_.is_kept(row.boot)) return by_another(row, clocks);
    heard_.reset();
    ahead_s_ = 0;
    Passed passed = compare(row, clocks);
    if (!passed.worth_writing) return passed.lived_s;
    // Another process may have written meanwhile.
    row = bounded(rows_.lock());
    passed = compare(row, clocks);
    heed_others(row, passed);
    return passed.worth_writing ? write(row, passed, clocks) : passed.lived_s;
}

// Of two machines one says how old the store is; by the other's word it is somewhat older, and rows are younger than they are. When it
// says nothing for long, this one takes its place, and goes on from there: what it has stored until now must not get older than it is.
std::int64_t StoreAge::by_another(const AgeRow &row, const Clocks &clocks) {
    const auto uptime_s = clocks.uptime.count();
    const auto same = [&](const AgeRow &one) {
        return heard_ && heard_->boot == one.boot && heard_->lived_s == one.lived_s &&
               heard_->uptime_s == one.uptime_s;
    };
    if (!same(row)) heard_ = Heard{row.boot, row.lived_s, row.uptime_s, uptime_s};
    ahead_s_ = write_every_s;
    if (uptime_s - heard_->since_s < idle_s) return row.lived_s + ahead_s_;
    const AgeRow now = bounded(rows_.lock());
    if (!same(now)) return now.lived_s + ahead_s_;  // heard_ stays: this may be undone
    Passed passed = compare(now, clocks);
    passed.lived_s += std::exchange(ahead_s_, 0);
    return write(now, passed, clocks);
}

// While this machine was idle others have stored by its last word, nobody knows when: what is theirs must not get older than it is.
void StoreAge::heed_others(const AgeRow &row, Passed &passed) {
    const auto most_s = row.lived_s + write_every_s;
    if (passed.passed_s < idle_s || ble::bounded(rows_.newest()) < most_s) return;
    passed.lived_s = most_s;
}

StoreAge::Passed StoreAge::compare(const AgeRow &row, const Clocks &clocks) {
    Passed passed{};
    const auto uptime_s = clocks.uptime.count(), wall_ms = to_milliseconds(clocks.wall);
    const bool same_boot = row.boot == clocks.boot;
    // Less than 0: another process looked later and wrote earlier, or the machine was put back to an earlier state. Only
    // what is beyond the highest uptime counts, or the same time would count twice.
    passed.since_s = same_boot ? uptime_s - row.uptime_s : 0;
    passed.passed_s = std::max<std::int64_t>(passed.since_s, 0);
    const auto parted_s = std::abs((wall_ms - row.wall_ms) / 1000 - passed.since_s);
    passed.parted = same_boot && parted_s > step_s + std::abs(passed.since_s) * drift_per_mille / 1000;
    passed.started = !same_boot || (passed.parted && passed.since_s < 0 && clocks.boot == unknown_boot);
    passed.sure_till_now = row.sure_boot == row.boot && row.rest_began_s < row.sure_lived_s;
    passed.doubtful = passed.sure_till_now && !clocks.synced;
    passed.lived_s = row.lived_s + passed.passed_s;
    passed.worth_writing = !same_boot || passed.parted || passed.doubtful || passed.passed_s >= write_every_s;
    return passed;
}

std::int64_t StoreAge::write(AgeRow row, const Passed &passed, const Clocks &clocks) {
    const auto uptime_s = clocks.uptime.count(), wall_ms = to_milliseconds(clocks.wall);
    const bool same_boot = row.boot == clocks.boot;
    auto lived_s = passed.lived_s;
    if (passed.parted && !passed.started)
        step_ = ClockStep{from_milliseconds(row.wall_ms + (passed.since_s - passed.passed_s) * 1000),
                          clocks.wall, std::chrono::seconds(passed.passed_s)};
    // The last look that was written may be some minutes older than the last batch.
    if (!same_boot) lived_s = std::max(lived_s, ble::bounded(rows_.newest()) + 1);
    // What others have stored by its last word may be from after it.
    if (passed.sure_till_now && (!same_boot || passed.doubtful))
        row.rest_began_s = std::min(lived_s, row.lived_s + write_every_s);
    // The machine was paused, maybe: which rows are from before, nobody knows.
    if (passed.parted && row.sure_boot == row.boot) row.sure_boot.clear();
    if (passed.started || passed.parted) row.steady_since_s = lived_s;
    row.lived_s = lived_s;
    row.boot = clocks.boot;
    row.uptime_s = passed.started ? uptime_s : std::max(uptime_s, row.uptime_s);
    row.wall_ms = wall_ms + (row.uptime_s - uptime_s) * 1000;  // at that uptime
    if (clocks.synced && lived_s - row.steady_since_s >= day_s) make_up(row, wall_ms);
    rows_.write(row);
    return lived_s;
}

// The clock can be believed. What it says beyond the uptimes since it last could, the machine was off.
void StoreAge::make_up(AgeRow &row, std::int64_t wall_ms) {
    const auto off_s = (wall_ms - row.sure_wall_ms) / 1000 - (row.lived_s - row.sure_lived_s);
    if (!row.sure_boot.empty() && row.sure_boot != row.boot && off_s > short_rest_s)
        rows_.make_older(off_s, row.rest_began_s);
    row.sure_boot = row.boot;
    row.sure_wall_ms = wall_ms;
    row.sure_lived_s = row.lived_s;
    row.rest_began_s = 0;  // not yet
}

void StoreAge::believe(const Clocks &clocks) {
    const auto lived_s = look(clocks);
    rows_.date(lived_s, to_milliseconds(clocks.wall));
    AgeRow row = bounded(rows_.lock());
    row.sure_boot.clear();  // what the machine was off is in it
    rows_.write(row);
}

std::optional<ClockStep> StoreAge::take_step() {
    return std::exchange(step_, std::nullopt);
}

}  // namespace ble
