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

AgeRow StoreAge::read() {
    AgeRow row = rows_.read();
    for (auto *number : {&row.lived_s, &row.uptime_s, &row.wall_ms, &row.steady_since_s, &row.sure_wall_ms,
                         &row.sure_lived_s, &row.rest_began_s})
        *number = bounded(*number);
    return row;
}

std::int64_t StoreAge::look(const Clocks &clocks) {
    AgeRow row = read();
    const auto uptime_s = clocks.uptime.count(), wall_ms = to_milliseconds(clocks.wall);
    const bool same_boot = row.boot == clocks.boot;
    // Less than 0: another process looked later and wrote earlier, or the machine was put back to an earlier state. Only
    // what is beyond the highest uptime counts, or the same time would count twice.
    const auto since_s = same_boot ? uptime_s - row.uptime_s : 0;
    const auto passed_s = std::max<std::int64_t>(since_s, 0);
    const auto parted_s = std::abs((wall_ms - row.wall_ms) / 1000 - since_s);
    const bool parted = same_boot && parted_s > step_s + std::abs(since_s) * drift_per_mille / 1000;
    const bool started = !same_boot || (parted && since_s < 0 && clocks.boot == unknown_boot);
    const bool sure_till_now = row.sure_boot == row.boot && row.rest_began_s < row.sure_lived_s;
    const bool doubtful = sure_till_now && !clocks.synced;
    auto lived_s = row.lived_s + passed_s;
    if (same_boot && !parted && !doubtful && passed_s < write_every_s) return lived_s;

    if (parted && !started)
        step_ = ClockStep{from_milliseconds(row.wall_ms + (since_s - passed_s) * 1000), clocks.wall,
                          std::chrono::seconds(passed_s)};
    // The last look that was written may be some minutes older than the last batch.
    if (!same_boot) lived_s = std::max(lived_s, bounded(rows_.newest()) + 1);
    if (sure_till_now && (!same_boot || doubtful)) row.rest_began_s = lived_s;
    // The machine was paused, maybe: which rows are from before, nobody knows.
    if (parted && row.sure_boot == row.boot) row.sure_boot.clear();
    if (started || parted) row.steady_since_s = lived_s;
    row.lived_s = lived_s;
    row.boot = clocks.boot;
    row.uptime_s = started ? uptime_s : std::max(uptime_s, row.uptime_s);
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
    AgeRow row = read();
    row.sure_boot.clear();  // what the machine was off is in it
    rows_.write(row);
}

std::optional<ClockStep> StoreAge::take_step() {
    return std::exchange(step_, std::nullopt);
}

}  // namespace ble
