#include "store/sqlite/rollups.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "store/scattered.hpp"
#include "store/segments.hpp"

namespace ble {
namespace {

constexpr char rollups[] =
    "rollups (bucket, place, advertiser, device, detections, reports, strongest, rssi_sum, zone)";
constexpr char rollups_hour[] =
    "rollups_hour (hour, place, advertiser, device, detections, strongest, zone, first, last)";
constexpr char rollups_day[] =
    "rollups_day (day, place, advertiser, device, detections, reports, strongest, rssi_sum, zone, first, "
    "last)";

constexpr char or_add[] =
    "ON CONFLICT DO UPDATE SET detections = detections + excluded.detections, reports = reports + "
    "excluded.reports,"
    " strongest = max(strongest, excluded.strongest), rssi_sum = rssi_sum + excluded.rssi_sum,"
    " zone = min(zone, excluded.zone)";
constexpr char or_add_to_day[] = ", first = min(first, excluded.first), last = max(last, excluded.last)";

// In the order of the table, so that an advertiser's rows of one bucket follow each other.
std::string zones_where(const char *table, const char *where) {
    return std::string("SELECT advertiser, zone FROM ") + table + " WHERE " + where + " AND place = ?2";
}

constexpr char columns[] =
    "SELECT detections.batch, detections.timestamp, advertiser, rssi, zone, count FROM ";

std::optional<std::int64_t> number_of(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

DueBatch batch_of(const Statement &row) {
    DueBatch batch{row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4)};
    batch.oldest = number_of(row, 5);
    batch.newest = number_of(row, 6);
    batch.timestamp = number_of(row, 7);
    if (!row.is_null(8)) batch.told = ZoneCounts{row.integer(8), row.integer(9), row.integer(10)};
    return batch;
}

}  // namespace

SqliteRollups::SqliteRollups(Database &database, SqliteRecent &recent)
    : recent_(recent),
      put_due_(database,
               "INSERT INTO rollup_due VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
               " to_batch = max(to_batch, excluded.to_batch), detections = detections + excluded.detections"),
      due_(database, "SELECT from_batch, to_batch, detections FROM rollup_due ORDER BY from_batch LIMIT ?"),
      is_due_(database,
              "SELECT 1 FROM (SELECT to_batch FROM rollup_due WHERE from_batch <= ?1 ORDER BY from_batch "
              "DESC LIMIT "
              "1) WHERE to_batch >= ?1"),
      shorten_due_(database, "UPDATE rollup_due SET from_batch = ?2 WHERE from_batch = ?1"),
      erase_due_(database, "DELETE FROM rollup_due WHERE from_batch = ?"),
      batches_(database,
               "SELECT id, device, coalesce(place, 0), lived_s, received_at, oldest, newest, timestamp, near,"
               " medium, far FROM batches WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"),
      segment_(database,
               std::string(columns) + "detections WHERE timestamp BETWEEN ? AND ? AND batch BETWEEN ? AND ?"),
      scattered_(database, std::string(columns) +
                               "scattered CROSS JOIN detections ON detections.timestamp = scattered.timestamp"
                               " AND detections.batch = scattered.batch AND detections.n = scattered.n"
                               " WHERE scattered.batch = ?"),
      note_day_(
          database,
          "INSERT INTO rollup_days (day, first_s, last_s, received_at) VALUES (?, ?, ?, ?) ON CONFLICT DO "
          "UPDATE SET first_s = min(first_s, excluded.first_s), last_s = max(last_s, excluded.last_s),"
          " received_at = max(received_at, excluded.received_at)"),
      put_occupancy_due_(database, "INSERT INTO occupancy_due VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
      occupancy_due_(database,
                     "SELECT minutes, number, place FROM occupancy_due WHERE minutes <= ? ORDER BY minutes, "
                     "number, place LIMIT ?"),
      erase_occupancy_due_(database,
                           "DELETE FROM occupancy_due WHERE minutes = ? AND number = ? AND place = ?"),
      zones_of_bucket_(database, zones_where("rollups", "bucket = ?1")),
      zones_of_day_(database, zones_where("rollups_day", "day = ?1")),
      buckets_of_hour_(database,
                       "SELECT bucket, advertiser, device, detections, strongest, zone FROM rollups"
                       " WHERE bucket IN (?1 * 12, ?1 * 12 + 1, ?1 * 12 + 2, ?1 * 12 + 3, ?1 * 12 + 4,"
                       " ?1 * 12 + 5, ?1 * 12 + 6, ?1 * 12 + 7, ?1 * 12 + 8, ?1 * 12 + 9, ?1 * 12 + 10,"
                       " ?1 * 12 + 11) AND place = ?2"),
      erase_hour_(database, "DELETE FROM rollups_hour WHERE hour = ? AND place = ?"),
      put_place_(database, "INSERT INTO device_places VALUES (?, ?) ON CONFLICT DO NOTHING"),
      put_told_(
          database,
          "INSERT INTO occupancy_rollups VALUES (5, ?, ?, 0, 0, 0, ?, ?, ?) ON CONFLICT DO UPDATE SET"
          " told_near = max(told_near, excluded.told_near), told_far = max(told_far, excluded.told_far),"
          " told_medium = max(told_medium, excluded.told_medium)"),
      told_(database,
            "SELECT max(told_near), max(told_medium), max(told_far) FROM occupancy_rollups"
            " WHERE minutes = ? AND number BETWEEN ? AND ? AND place = ?"),
      forget_told_(database,
                   "UPDATE occupancy_rollups SET told_near = 0, told_medium = 0, told_far = 0"
                   " WHERE minutes = 5 AND number = ?"),
      put_occupancy_(database, "INSERT OR REPLACE INTO occupancy_rollups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      erase_occupancy_(database,
                       "DELETE FROM occupancy_rollups WHERE minutes = ? AND number = ? AND place = ?"),
      next_day_(
          database,
          "SELECT day FROM (SELECT min(timestamp) / 86400000 AS day FROM detections WHERE timestamp >= ?1 "
          "* 86400000 UNION ALL SELECT min(timestamp) / 86400000 FROM batches WHERE timestamp >= ?1 * "
          "86400000 UNION ALL SELECT min(day) FROM rollup_days WHERE day >= ?1)"
          " WHERE day IS NOT NULL ORDER BY day LIMIT 1"),
      is_whole_(database, "SELECT is_whole FROM rollup_days WHERE day = ?"),
      has_(database,
           "SELECT 1 FROM rollups WHERE bucket = ? AND place = ? AND advertiser = ? AND device = ?"),
      erase_bucket_(database, "DELETE FROM rollups WHERE bucket = ?"),
      bucket_(database,
              std::string("SELECT batches.id, batches.device, coalesce(batches.place, 0), lived_s, "
                          "received_at, detections.timestamp, advertiser, rssi, zone, count"
                          " FROM detections CROSS JOIN batches ON batches.id = detections.batch"
                          " WHERE detections.timestamp >= ?1 * 300000 AND detections.timestamp < (?1 + 1) * "
                          "300000 AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE batches.id BETWEEN "
                          "from_batch AND to_batch)")),
      windows_(database,
               "SELECT id, device, coalesce(place, 0), lived_s, received_at, NULL, NULL, timestamp, near,"
               " medium, far FROM batches WHERE timestamp >= ?1 * 300000 AND timestamp < (?1 + 1) * 300000"
               " AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE id BETWEEN from_batch AND to_batch)"),
      erase_day_(database, "DELETE FROM rollups_day WHERE day = ?"),
      make_day_(database,
                "INSERT INTO rollups_day SELECT ?1, place, advertiser, device, sum(detections), sum(reports),"
                " max(strongest), sum(rssi_sum), min(zone), min(bucket) % 288, max(bucket) % 288 FROM rollups"
                " WHERE bucket >= ?1 * 288 AND bucket < (?1 + 1) * 288 GROUP BY 2, 3, 4"),
      mend_day_(database, "UPDATE rollup_days SET is_cut = 0 WHERE day = ? AND is_whole <> 0"),
      mark_places_(database,
                   "INSERT INTO occupancy_due SELECT minutes, number, place FROM (SELECT place FROM rollups "
                   "WHERE bucket = ?1 UNION SELECT place FROM rollups_hour WHERE hour = ?1 / 12 UNION SELECT "
                   "place FROM "
                   "occupancy_rollups WHERE minutes = 5 AND number = ?1), "
                   "(SELECT 5 AS minutes, ?1 AS number UNION ALL SELECT 60, ?1 / 12 UNION ALL "
                   "SELECT 1440, ?1 / 288) WHERE true ON CONFLICT DO NOTHING"),
      put_rollups_(database, rollups, or_add),
      put_hours_(database, rollups_hour),
      put_days_(database, rollups_day, std::string(or_add) + or_add_to_day) {}

std::vector<DueRange> SqliteRollups::due(std::int64_t most) {
    std::vector<DueRange> found;
    due_.bind(1, most);
    while (due_.step()) found.push_back({due_.integer(0), due_.integer(1), due_.integer(2)});
    return found;
}

std::set<std::int64_t> SqliteRollups::due_among(const std::vector<std::int64_t> &batches) {
    std::set<std::int64_t> found;
    for (const auto batch : batches)
        if (is_due_.find(batch)) found.insert(batch);
    return found;
}

std::vector<DueBatch> SqliteRollups::batches(const DueRange &range, std::int64_t most) {
    std::vector<DueBatch> found;
    batches_.bind(1, range.from).bind(2, range.to).bind(3, most);
    while (batches_.step()) found.push_back(batch_of(batches_));
    return found;
}

std::vector<Touched> SqliteRollups::merge(const std::vector<DueBatch> &batches) {
    forget();
    Batches known;
    std::vector<Segment> segments;
    for (const auto &batch : batches) {
        take_window(batch);
        if (!batch.oldest || !batch.newest) continue;
        if (const auto heard = recent_.find(batch.id, batch.received_at)) {
            take(batch, *heard);
            continue;
        }
        known.emplace(batch.id, Batch{batch});
        segments.push_back(
            {*batch.oldest, *batch.newest, batch.id, batch.id, are_scattered(*batch.oldest, *batch.newest)});
    }
    for (const auto &segment : join(std::move(segments))) {
        if (segment.scattered) {
            scattered_.bind(1, segment.first_id);
            if (read(scattered_, known, true) > 0)
                continue;  // else it was stored before it was kept where they are
        }
        segment_.bind(1, segment.oldest)
            .bind(2, segment.newest)
            .bind(3, segment.first_id)
            .bind(4, segment.last_id);
        read(segment_, known, segment.scattered);
    }
    if (!batches.empty()) recent_.forget_to(batches.back().id);
    return put(true);
}

// What a transaction left that was undone.
void SqliteRollups::forget() {
    sums_.forget();
    touched_.clear();
}

void SqliteRollups::take_window(const DueBatch &batch) {
    if (!batch.timestamp) return;
    const auto bucket = *batch.timestamp / rollup_ms;
    touch(bucket, batch);
    if (batch.told) put_told_.run(bucket, batch.place, batch.told->near, batch.told->medium, batch.told->far);
}

// Of a segment: some may be of other batches.
std::int64_t SqliteRollups::read(Statement &statement, Batches &batches, bool scattered) {
    std::int64_t rows = 0;
    for (; statement.step(); ++rows) {
        const auto found = batches.find(statement.integer(0));
        if (found == batches.end()) continue;
        const auto &batch = found->second.row;
        if (are_scattered(*batch.oldest, *batch.newest) != scattered) continue;
        const auto bucket = statement.integer(1) / rollup_ms;
        add(batch, bucket, statement.integer(2), statement.is_null(5) ? 1 : statement.integer(5),
            statement.integer(3), statement.integer(4));
        if (std::exchange(found->second.bucket, bucket) != bucket) touch(bucket, batch);
    }
    return rows;
}

void SqliteRollups::take(const DueBatch &batch, std::span<const SqliteRecent::Detection> heard) {
    std::optional<std::int64_t> before;
    for (const auto &one : heard) {
        const auto bucket = one.timestamp / rollup_ms;
        add(batch, bucket, one.advertiser, one.reports, one.rssi, one.zone);
        if (std::exchange(before, bucket) != bucket) touch(bucket, batch);
    }
}

void SqliteRollups::add(const DueBatch &batch, std::int64_t bucket, std::int64_t advertiser,
                        std::int64_t reports, std::int64_t rssi, std::int64_t zone) {
    sums_.add({bucket, batch.place, advertiser, batch.device, 1, reports, rssi, rssi, zone, 0, 0});
}

void SqliteRollups::touch(std::int64_t bucket, const DueBatch &batch) {
    const Touched one{bucket, batch.place, batch.lived_s, batch.lived_s, batch.received_at};
    Touched &all = touched_.emplace(std::pair(bucket, batch.place), one).first->second;
    all.first_s = std::min(all.first_s, one.first_s);
    all.last_s = std::max(all.last_s, one.last_s);
    all.received_at = std::max(all.received_at, one.received_at);
}

// Stores what was read, and forgets it.
std::vector<Touched> SqliteRollups::put(bool days_too) {
    const auto &rows = sums_.sorted();
    put_rollups_.forget();
    for (const auto &row : rows)
        put_rollups_.add(row.bucket, row.place, row.advertiser, row.device, row.detections, row.reports,
                         row.strongest, row.rssi_sum, row.zone);
    put_rollups_.flush();
    std::set<std::pair<std::int64_t, std::int64_t>> places;
    for (const auto &row : rows) places.emplace(row.device, row.place);
    for (const auto &[device, place] : places) put_place_.run(device, place);
    if (days_too) put_days();
    sums_.forget();
    std::vector<Touched> touched;
    for (const auto &[key, one] : std::exchange(touched_, {})) touched.push_back(one);
    return touched;
}

void SqliteRollups::put_days() {
    put_days_.forget();
    for (const auto &row : sums_.days())
        put_days_.add(row.bucket, row.place, row.advertiser, row.device, row.detections, row.reports,
                      row.strongest, row.rssi_sum, row.zone, row.first, row.last);
    put_days_.flush();
}

std::vector<OccupancyDue> SqliteRollups::occupancy_due(std::int64_t longest, std::int64_t most) {
    std::vector<OccupancyDue> found;
    occupancy_due_.bind(1, longest).bind(2, most);
    while (occupancy_due_.step())
        found.push_back({occupancy_due_.integer(0), occupancy_due_.integer(1), occupancy_due_.integer(2)});
    return found;
}

void SqliteRollups::count_occupancy(const OccupancyDue &due) {
    std::array<std::int64_t, 3> counts{};
    const auto heard = due.minutes == 60 ? make_hour(due) : zones_of(due);
    for (std::size_t i = 0; i < heard.size(); ++i)
        if (i == 0 || heard[i].advertiser != heard[i - 1].advertiser)
            ++counts[static_cast<std::size_t>(std::clamp<std::int64_t>(heard[i].zone, 0, 2))];
    const auto told = told_in(due);
    if (heard.empty() && told.near + told.medium + told.far == 0)
        erase_occupancy_.run(due.minutes, due.number, due.place);
    else
        put_occupancy_.run(due.minutes, due.number, due.place, counts[0], counts[1], counts[2], told.near,
                           told.medium, told.far);
    erase_occupancy_due_.run(due.minutes, due.number, due.place);
}

// Sorted here: a GROUP BY takes three times as long.
std::vector<SqliteRollups::Zone> SqliteRollups::zones_of(const OccupancyDue &due) {
    Statement &zones = due.minutes == 5 ? zones_of_bucket_ : zones_of_day_;
    std::vector<Zone> heard;
    zones.bind(1, due.number).bind(2, due.place);
    while (zones.step()) heard.push_back({zones.integer(0), zones.integer(1)});
    if (!std::is_sorted(heard.begin(), heard.end())) std::sort(heard.begin(), heard.end());
    return heard;
}

// Makes rollups_hour of the rollups.
std::vector<SqliteRollups::Zone> SqliteRollups::make_hour(const OccupancyDue &due) {
    struct OfPi {
        std::int64_t advertiser, device, detections, strongest, zone, first, last;
        auto key() const { return std::tie(advertiser, device); }
    };
    std::vector<OfPi> rows;
    buckets_of_hour_.bind(1, due.number).bind(2, due.place);
    while (buckets_of_hour_.step()) {
        const auto number = [this](int column) { return buckets_of_hour_.integer(column); };
        const auto part = number(0) % buckets_an_hour;
        rows.push_back({number(1), number(2), number(3), number(4), number(5), part, part});
    }
    std::sort(rows.begin(), rows.end(), [](const OfPi &a, const OfPi &b) { return a.key() < b.key(); });
    erase_hour_.run(due.number, due.place);
    put_hours_.forget();
    std::vector<Zone> heard;
    for (auto row = rows.begin(); row != rows.end();) {
        OfPi all = *row++;
        for (; row != rows.end() && row->key() == all.key(); ++row) {
            all.detections += row->detections;
            all.strongest = std::max(all.strongest, row->strongest);
            all.zone = std::min(all.zone, row->zone);
            all.first = std::min(all.first, row->first);
            all.last = std::max(all.last, row->last);
        }
        put_hours_.add(due.number, due.place, all.advertiser, all.device, all.detections, all.strongest,
                       all.zone, all.first, all.last);
        if (heard.empty() || heard.back().advertiser != all.advertiser)
            heard.push_back({all.advertiser, all.zone});
        else
            heard.back().zone = std::min(heard.back().zone, all.zone);
    }
    put_hours_.flush();
    return heard;
}

// Of hours by their five minutes, of days by their hours, which are counted before them.
ZoneCounts SqliteRollups::told_in(const OccupancyDue &due) {
    const std::int64_t parts = due.minutes == 5 ? 1 : due.minutes == 60 ? buckets_an_hour : 24;
    told_.bind(1, due.minutes == 1440 ? 60 : 5).bind(2, due.number * parts);
    told_.bind(3, (due.number + 1) * parts - 1).bind(4, due.place);
    told_.step();
    const ZoneCounts told{told_.integer(0), told_.integer(1), told_.integer(2)};
    told_.reset();
    return told;
}

bool SqliteRollups::hold(std::int64_t device, std::int64_t place, const std::vector<Heard> &heard) {
    return std::all_of(heard.begin(), heard.end(), [&](const Heard &one) {
        return has_.find(one.bucket, place, one.advertiser, device).has_value();
    });
}

std::vector<Touched> SqliteRollups::rebuild(std::int64_t bucket) {
    forget();
    mark_places_.run(bucket);
    erase_bucket_.run(bucket);
    forget_told_.run(bucket);
    windows_.bind(1, bucket);
    while (windows_.step()) take_window(batch_of(windows_));
    bucket_.bind(1, bucket);
    while (bucket_.step()) {
        const auto number = [this](int column) { return bucket_.integer(column); };
        const DueBatch batch{number(0), number(1), number(2), number(3), number(4)};
        add(batch, bucket, number(6), bucket_.is_null(9) ? 1 : number(9), number(7), number(8));
        touch(bucket, batch);
    }
    return put(false);
}

void SqliteRollups::rebuild_day(std::int64_t day) {
    erase_day_.run(day);
    make_day_.run(day);
    mend_day_.run(day);
}

}  // namespace ble
