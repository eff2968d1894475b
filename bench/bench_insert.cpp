// bench_insert: the yardstick for bleingest. A bare loop of prepared INSERTs of the same rows into the same tables, in
// transactions of the same size, with the same settings; parsing, looking up ids, sorting and adding up what goes into the rollups is done before the
// clock starts.
//   bench_insert BATCHES.ndjson NEW.db       prints seconds elapsed and of processor time
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/pipe_size.hpp"
#include "batch/batch.hpp"
#include "sqlite/database.hpp"
#include "store/rows/rollup_rows.hpp"
#include "store/sqlite/heard.hpp"
#include "store/sqlite/schema.hpp"
#include "store/store.hpp"

using namespace ble;

namespace {

struct Row {
    std::int64_t timestamp, batch, n, advertiser, rssi, zone, count;
};
struct Rolled {
    std::int64_t detections = 0, reports = 0, strongest = -1000, rssi_sum = 0, zone = 9;
};
using Rollup = std::map<std::pair<std::int64_t, std::int64_t>, Rolled>;  // by bucket and advertiser

struct Prepared {
    std::int64_t seq, timestamp;
    std::vector<std::pair<std::int64_t, std::string>> new_advertisers;
    std::vector<Row> rows;  // with the last one of a transaction: of all of it, in the order of the table
    Rollup rollup = {},
           hours = {};  // with the last one of a transaction: of a step; with the last of all: of all
    bool last_of_transaction = false;
};

void add(Rollup &rollup, std::int64_t number, const Row &row) {
    Rolled &sum = rollup[{number, row.advertiser}];
    ++sum.detections;
    sum.reports += row.count;
    sum.strongest = std::max(sum.strongest, row.rssi);
    sum.rssi_sum += row.rssi;
    sum.zone = std::min(sum.zone, row.zone);
}

std::int64_t milliseconds(Time time) {
    return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::vector<Prepared> prepare(const char *path) {
    std::ifstream file(path);
    BatchParser parser;
    std::map<std::string, std::int64_t> ids;
    std::vector<Prepared> all;
    std::vector<Row> rows;
    std::size_t bytes = 0, waiting = 0;
    Rollup rollup, hours;
    const auto commit = [&] {
        Prepared &last = all.back();
        last.last_of_transaction = true;
        const auto key = [](const Row &row) { return std::tie(row.timestamp, row.batch, row.n); };
        std::sort(rows.begin(), rows.end(), [&](const Row &a, const Row &b) { return key(a) < key(b); });
        waiting += rows.size();
        last.rows = std::exchange(rows, {});
        if (std::cmp_less(waiting, merged_a_step)) return;
        last.rollup = std::exchange(rollup, {});
        waiting = 0;
    };
    for (std::string line; std::getline(file, line);) {
        const ParsedLine parsed = parser.parse(line);
        const Batch &batch = std::get<ParsedBatch>(parsed).batch;
        bytes += line.size() + 1;
        if (bytes > pipe_capacity) {  // bleingest would have looked at as much
            commit();
            bytes = line.size() + 1;
        }
        Prepared &one = all.emplace_back();
        one.seq = static_cast<std::int64_t>(batch.position->seq);
        one.timestamp = milliseconds(*batch.timestamp);
        std::int64_t n = 0;
        for (const auto &d : batch.detections) {
            const auto [found, added] =
                ids.try_emplace(std::string(d.device_hash.text()), std::int64_t(ids.size() + 1));
            const auto id = found->second;
            if (added) one.new_advertisers.emplace_back(id, d.device_hash.text());
            rows.push_back({milliseconds(d.timestamp), std::int64_t(all.size()), n++, id, d.rssi_dbm,
                            std::int64_t(d.zone), *d.count});
            const auto bucket = rows.back().timestamp / rollup_ms;
            add(rollup, bucket, rows.back());
            add(hours, bucket / buckets_an_hour, rows.back());
        }
    }
    if (all.empty()) return all;
    commit();
    all.back().rollup.merge(rollup);
    all.back().hours = std::move(hours);
    return all;
}

// What rolls up to one row comes in several steps, so the least that can be done is an upsert for each of a step; rows of hours are made when the input
// rests, which is at its end.
class Rollups {
  public:
    explicit Rollups(Database &database)
        : five_(database, "INSERT INTO rollups VALUES (?1, 1, ?2, 1, ?3, ?4, ?5, ?6, ?7)" + on_conflict),
          hour_(database, "INSERT INTO rollups_hour VALUES (?1, 1, ?2, 1, ?3, ?4, ?5, 0, 11)"),
          day_(database, "INSERT INTO rollups_day VALUES (?1, 1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?8)" +
                             on_conflict +
                             ", first = min(first, excluded.first), last = max(last, "
                             "excluded.last)") {}

    void put(const Rollup &rollup, const Rollup &hours) {
        for (const auto &[key, sum] : rollup) {
            const auto &[bucket, advertiser] = key;
            five_.run(bucket, advertiser, sum.detections, sum.reports, sum.strongest, sum.rssi_sum, sum.zone);
            day_.run(bucket / buckets_a_day, advertiser, sum.detections, sum.reports, sum.strongest,
                     sum.rssi_sum, sum.zone, bucket % buckets_a_day);
        }
        for (const auto &[key, sum] : hours)
            hour_.run(key.first, key.second, sum.detections, sum.strongest, sum.zone);
    }

  private:
    static inline const std::string on_conflict =
        " ON CONFLICT DO UPDATE SET detections = detections + excluded.detections,"
        " reports = reports + excluded.reports, strongest = max(strongest, excluded.strongest),"
        " rssi_sum = rssi_sum + excluded.rssi_sum, zone = min(zone, excluded.zone)";
    Statement five_, hour_, day_;
};

void insert_all(Database &database, const std::vector<Prepared> &batches) {
    Statement batch(
        database,
        "INSERT INTO batches (device, run, seq, timestamp, received_at, clock, place, window_ms, interval_ms,"
        " oldest, newest) VALUES (1, 1, ?1, ?2, ?2, 1, 1, 10000, 30000, ?2, ?2)");
    Statement detection(
        database, "INSERT INTO detections (timestamp, batch, n, advertiser, heard) VALUES (?, ?, ?, ?, ?)");
    Statement advertiser(database,
                         "INSERT INTO advertisers (id, device_hash, first_seen, last_seen, detections)"
                         " VALUES (?1, ?2, ?3, ?3, 1)");
    Rollups rollups(database);
    database.execute("BEGIN IMMEDIATE");
    for (const auto &one : batches) {
        batch.run(one.seq, one.timestamp);
        for (const auto &[number, hash] : one.new_advertisers) advertiser.run(number, hash, one.timestamp);
        for (const auto &row : one.rows)
            detection.run(row.timestamp, row.batch, row.n, row.advertiser,
                          heard_of(row.rssi, row.zone, row.count));
        rollups.put(one.rollup, one.hours);
        if (one.last_of_transaction) database.execute("COMMIT; BEGIN IMMEDIATE");
    }
    database.execute("COMMIT");
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) return std::fputs("usage: bench_insert BATCHES.ndjson NEW.db\n", stderr), 64;
    const auto batches = prepare(argv[1]);
    const auto start = std::chrono::steady_clock::now();
    const auto processor_start = std::clock();
    {
        Database database(argv[2]);
        open_schema(database);
        insert_all(database, batches);
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    std::printf("%.3f %.3f\n", spent.count(),
                static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC);
}
