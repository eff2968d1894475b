#include "store/postgres/leftovers.hpp"
#include "store/milliseconds.hpp"

#include <map>
#include <string>
#include <utility>

#include "store/postgres/locks.hpp"
#include "store/postgres/news.hpp"

namespace ble {
namespace {

// Of the present table more may come, also late.
constexpr std::int64_t quiet_ms = day_ms;
constexpr int tables_a_step = 8;
constexpr std::int64_t pages_a_step = 4096, advertisers_a_step = 10'000;
// So long ago a transaction may have begun that is committed now.
constexpr std::int64_t begun_before_s = 3'600;

// Of a batch whose detections are far apart, none may be in what lies between.
#define BATCH_OF_IT                                                             \
    "SELECT 1 FROM batches WHERE newest >= $1::bigint AND oldest < $2::bigint"  \
    " AND (times IS NULL OR EXISTS (SELECT 1 FROM unnest(times) AS each (time)" \
    " WHERE time >= $1::bigint AND time < $2::bigint))"
constexpr Query is_needed{BATCH_OF_IT " LIMIT 1"};
constexpr Query is_needed_since{BATCH_OF_IT " AND lived_s >= $3::bigint LIMIT 1"};
#undef BATCH_OF_IT
constexpr Query read_age{"SELECT lived_s FROM age"};
constexpr Query find_parted{
    "SELECT name, next_page, coalesce(pg_relation_size(to_regclass(name)) / "
    "current_setting('block_size')::bigint, 0)"
    " FROM parted_tables ORDER BY name LIMIT 1 FOR UPDATE SKIP LOCKED"};
constexpr Query move_on{"UPDATE parted_tables SET next_page = $2::bigint WHERE name = $1"};
constexpr Query forget_parted{"DELETE FROM parted_tables WHERE name = $1"};
constexpr Query look_at_some{
    "SELECT max(id), count(*), count(*) FILTER (WHERE detections <= 0) FROM"
    " (SELECT id, detections FROM advertiser_totals WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint) AS "
    "found"};
constexpr Query erase_unheard{
    "DELETE FROM advertiser_totals WHERE id > $1::bigint AND id <= $2::bigint AND detections <= 0"
    " AND NOT EXISTS (SELECT 1 FROM rollups_day WHERE rollups_day.advertiser = advertiser_totals.id)"};

bool passes(const DatabaseError &error) {
    return error.kind() == DatabaseError::Kind::trouble || error.kind() == DatabaseError::Kind::collision;
}

std::string page(std::int64_t number) {
    return "'(" + std::to_string(number) + ",0)'::tid";
}

}  // namespace

Purged Leftovers::step(std::int64_t present_ms) {
    try {
        if (stage_ == Stage::part) {
            if (part_some(present_ms)) return Purged::some;
            stage_ = Stage::count;
        }
        if (stage_ == Stage::count) {
            if (count_some()) return Purged::some;
            stage_ = Stage::sweep;
            if (walk_is_due(present_ms)) fold_if_free(connection_);
        }
        if (swept_ && sweep_some()) return Purged::some;
    } catch (const DatabaseError &error) {
        connection_.rollback();
        if (!passes(error)) throw;
        wait_.failed();
        if (said_.due())
            log_warning(std::string("the rest of what --retain deletes is deleted later: ") + error.what());
        in_the_way_ = true;
    }
    stage_ = Stage::part;
    asked_before_ = first_time;
    return std::exchange(in_the_way_, false) ? Purged::later : Purged::all;
}

// The next few, in the order of their times: which of them are needed goes by when batches came, not by that order. False: all were asked
// that are over, or somebody is in the way of one: most likely also of the next, and writers would wait again.
bool Leftovers::part_some(std::int64_t present_ms) {
    const auto age_s = connection_.ask(read_age).integer(0, 0);
    int asked = 0;
    for (const auto &partition : partitions_.all()) {
        if (partition.to > present_ms - quiet_ms) break;
        if (partition.from < asked_before_) continue;
        if (asked++ == tables_a_step) return true;
        asked_before_ = partition.to;
        const bool needed = connection_.ask(is_needed, Values::of(partition.from, partition.to)).rows() > 0;
        connection_.settle();
        in_the_way_ = !needed && !part(partition, age_s - begun_before_s);
        if (in_the_way_) break;
    }
    return false;
}

// Nothing needed it when the store was somewhat older than `since_s`. Whoever stores into it now holds a lock of `detections` until his
// batches are there as well; what comes later finds no table, and goes to detections_other.
bool Leftovers::part(const Partition &partition, std::int64_t since_s) {
    const std::string &table = partition.table;
    try {
        connection_.execute(begin_briefly() + change_partitions +
                            "; LOCK TABLE ONLY detections, ONLY detections_other, ONLY " + table +
                            " IN ACCESS EXCLUSIVE MODE" + connection_.wait_as_set());
        if (connection_.ask(is_needed_since, Values::of(partition.from, partition.to, since_s)).rows() == 0) {
            const std::string name =
                "parted_" +
                std::string(connection_.execute("SELECT '" + table + "'::regclass::oid").text(0, 0));
            connection_.execute("ALTER TABLE detections DETACH PARTITION " + table + "; ALTER TABLE " +
                                table + " RENAME TO " + name + "; INSERT INTO parted_tables VALUES ('" +
                                name + "', 0)");
        }
        connection_.execute("COMMIT");
        wait_.done();
        return true;
    } catch (const DatabaseError &error) {
        connection_.rollback();
        if (!passes(error)) throw;
        wait_.failed();
        if (said_.due()) log_warning("the table " + table + " is dropped later: " + error.what());
        return false;
    }
}

// False: there is nothing to count, or another process is at it.
bool Leftovers::count_some() {
    connection_.execute(begin_briefly());
    const Answer parted = connection_.ask(find_parted);
    if (parted.rows() == 0) {
        connection_.execute("COMMIT");
        return false;
    }
    const std::string name(parted.text(0, 0));
    const auto first = parted.integer(0, 1), next = first + pages_a_step;
    if (first < parted.integer(0, 2)) take_from_sums(name, first, next);
    if (next < parted.integer(0, 2)) {
        connection_.queue(move_on, Values::of(name, next));
    } else {
        connection_.execute("DROP TABLE IF EXISTS " + name);
        connection_.queue(forget_parted, Values::of(name));
        dropped_ = true;
    }
    connection_.execute("COMMIT");
    return true;
}

void Leftovers::take_from_sums(const std::string &table, std::int64_t first, std::int64_t next) {
    const Answer heard =
        connection_.execute("SELECT advertiser, count(*) FROM " + table + " WHERE ctid >= " + page(first) +
                            " AND ctid < " + page(next) + " GROUP BY advertiser");
    std::map<std::int64_t, std::int64_t> gone;
    for (int row = 0; row < heard.rows(); ++row) gone[heard.integer(row, 0)] = heard.integer(row, 1);
    if (!gone.empty()) tell_gone(connection_, gone);
}

// After a table was dropped, and once a day for those of lines that were refused. What trouble cut short goes on where it was.
bool Leftovers::walk_is_due(std::int64_t present_ms) {
    if (swept_) return true;
    const auto since_ms = present_ms - walked_at_.value_or(present_ms - day_ms);
    if (!dropped_ && since_ms >= 0 && since_ms < day_ms) return false;
    walked_at_ = present_ms;
    dropped_ = false;
    swept_ = 0;
    return true;
}

// False: all were looked at.
bool Leftovers::sweep_some() {
    const Answer some = connection_.ask(look_at_some, Values::of(*swept_, advertisers_a_step));
    connection_.settle();
    const auto last = some.number(0, 0);
    if (last && some.integer(0, 2) > 0) sweep_up_to(*last);
    const bool more = some.integer(0, 1) == advertisers_a_step;
    swept_ = more ? last : std::nullopt;
    return more;
}

// Who remembers their ids is told by the epoch.
void Leftovers::sweep_up_to(std::int64_t last) {
    connection_.execute(begin_briefly() + write_alone + "; " + wait_to_fold + connection_.wait_as_set());
    fold_news(connection_);
    if (connection_.ask(erase_unheard, Values::of(*swept_, last)).changed() > 0)
        connection_.execute("UPDATE state SET epoch = epoch + 1");
    connection_.execute("COMMIT");
    wait_.done();
}

std::string Leftovers::begin_briefly() const {
    return connection_.begin_briefly(wait_.next(connection_.lock_timeout()));
}

}  // namespace ble
