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
// Between a look at the clocks and the transaction: a lock may have been waited for.
constexpr std::int64_t race_s = 60;
// Time between two starts of the machine that is not worth changing all rows for.
constexpr std::int64_t short_rest_s = 3'600;

// A database may say anything: what no sum or difference of these overflows.
std::int64_t bounded(std::int64_t number) {
    constexpr std::int64_t most = std::int64_t{1} << 53;
    return std::clamp(number, -most, most);
}

}  // namespace

StoreAge::StoreAge(Database &database)
    : read_(database,
            "SELECT lived_s, uptime_s, wall_ms, steady_since_s, boot, sure_boot, sure_wall_ms, sure_lived_s,"
            " rest_began_s FROM age"),
      write_(database,
             "UPDATE age SET lived_s = ?, uptime_s = ?, wall_ms = ?, steady_since_s = ?, boot = ?,"
             " sure_boot = ?, sure_wall_ms = ?, sure_lived_s = ?, rest_began_s = ?"),
      older_batches_(database, "UPDATE batches SET lived_s = lived_s - ?1 WHERE lived_s < ?2"),
      older_hashes_(database, "UPDATE batch_hashes SET lived_s = lived_s - ?1 WHERE lived_s < ?2"),
      date_batches_(database,
                    "UPDATE batches SET lived_s = ?1 - (?2 - received_at) / 1000"
                    " WHERE received_at <= ?2 AND lived_s > ?1 - (?2 - received_at) / 1000"),
      date_hashes_(database,
                   "UPDATE batch_hashes SET lived_s = ?1 - (?2 - received_at) / 1000"
                   " WHERE received_at <= ?2 AND lived_s > ?1 - (?2 - received_at) / 1000") {}

StoreAge::Row StoreAge::read() {
    if (!read_.step()) throw Error(ExitCode::io, "the database has lost its age: restore a backup");
    const auto number = [this](int column) { return bounded(read_.integer(column)); };
    Row row{
        number(0), number(1), number(2), number(3), std::string(read_.text(4)), std::string(read_.text(5)),
        number(6), number(7), number(8)};
    read_.reset();
    return row;
}

void StoreAge::write(const Row &row) {
    write_.run(row.lived_s, row.uptime_s, row.wall_ms, row.steady_since_s, row.boot, row.sure_boot,
               row.sure_wall_ms, row.sure_lived_s, row.rest_began_s);
}

std::int64_t StoreAge::look(const Clocks &clocks) {
    Row row = read();
    const auto uptime_s = clocks.uptime.count(), wall_ms = to_milliseconds(clocks.wall);
    // Another process was faster: it looked later and wrote earlier.
    if (row.boot == clocks.boot && uptime_s < row.uptime_s && uptime_s + race_s > row.uptime_s)
        return row.lived_s;
    // An uptime that goes back further is that of a machine put back to an earlier state: how long that took, nobody knows.
    const bool same_start = row.boot == clocks.boot && uptime_s >= row.uptime_s;
    const auto passed_s = same_start ? uptime_s - row.uptime_s : 0;
    const auto parted_s = std::abs((wall_ms - row.wall_ms) / 1000 - passed_s);
    const bool stepped = same_start && parted_s > step_s + passed_s * drift_per_mille / 1000;
    const auto lived_s = row.lived_s + passed_s;
    if (same_start && !stepped && passed_s < write_every_s) return lived_s;

    if (stepped)
        step_ = ClockStep{from_milliseconds(row.wall_ms), clocks.wall, std::chrono::seconds(passed_s)};
    if (row.boot != clocks.boot && row.sure_boot == row.boot) row.rest_began_s = lived_s;
    if (!same_start || stepped) row.steady_since_s = lived_s;
    row.lived_s = lived_s;
    row.boot = clocks.boot;
    row.uptime_s = uptime_s;
    row.wall_ms = wall_ms;
    if (clocks.synced && lived_s - row.steady_since_s >= day_s) make_up(row, wall_ms);
    write(row);
    return lived_s;
}

// The clock can be believed. What it says beyond the uptimes since it last could, the machine was off.
void StoreAge::make_up(Row &row, std::int64_t wall_ms) {
    const auto off_s = (wall_ms - row.sure_wall_ms) / 1000 - (row.lived_s - row.sure_lived_s);
    if (!row.sure_boot.empty() && row.sure_boot != row.boot && off_s > short_rest_s) {
        older_batches_.run(off_s, row.rest_began_s);
        older_hashes_.run(off_s, row.rest_began_s);
    }
    row.sure_boot = row.boot;
    row.sure_wall_ms = wall_ms;
    row.sure_lived_s = row.lived_s;
}

void StoreAge::believe(const Clocks &clocks) {
    const auto lived_s = look(clocks), wall_ms = to_milliseconds(clocks.wall);
    date_batches_.run(lived_s, wall_ms);
    date_hashes_.run(lived_s, wall_ms);
    Row row = read();
    row.sure_boot.clear();  // what the machine was off is in it
    write(row);
}

std::optional<ClockStep> StoreAge::take_step() {
    return std::exchange(step_, std::nullopt);
}

}  // namespace ble
