#include "store/postgres/rolled_questions.hpp"

namespace ble::postgres_rolled {
namespace {

using std::string;

// The parts are those of SQLite (lib/store/sqlite/rolled_questions.cpp). LATERAL with OFFSET: a look into an index for each row on the left,
// whatever the server thinks of their number.
const string columns = "at, advertiser, device, place, strongest, rssi_sum, detections, zone";
const string of_detection =
    "detections.timestamp AS at, advertiser, batches.device, coalesce(batches.place, 0) AS place,"
    " rssi AS strongest, rssi AS rssi_sum, 1 AS detections, zone";

const string chosen_places = " IN (SELECT id FROM places WHERE name = $4::text OR location = $4::text)";
const string chosen_batches =
    " AND ($3::bigint IS NULL OR batches.device = $3::bigint) AND ($4::text IS NULL OR batches.place" +
    chosen_places + ")";
const string chosen =
    " AND ($3::bigint IS NULL OR device = $3::bigint) AND ($4::text IS NULL OR place" + chosen_places + ")";

const string due_batches =
    ", due AS MATERIALIZED (SELECT id, greatest(oldest, $9::bigint) AS first,"
    " least(newest, $10::bigint - 1) AS last"
    " FROM rollup_due JOIN batches ON batches.id BETWEEN from_batch AND to_batch"
    " WHERE oldest < $10::bigint AND newest >= $9::bigint" +
    chosen_batches +
    "), due_buckets AS MATERIALIZED (SELECT DISTINCT bucket FROM due,"
    " generate_series(first / 300000, last / 300000) AS bucket)";
const string from_due =
    " FROM due_buckets CROSS JOIN LATERAL (SELECT * FROM detections"
    " WHERE detections.timestamp >= due_buckets.bucket * 300000"
    " AND detections.timestamp < (due_buckets.bucket + 1) * 300000 OFFSET 0) AS detections"
    " JOIN batches ON batches.id = detections.batch"
    " WHERE detections.batch IN (SELECT id FROM due)"
    " AND detections.timestamp >= $9::bigint AND detections.timestamp < $10::bigint";

string from_detections(const string &since, const string &until) {
    return " FROM detections JOIN batches ON batches.id = detections.batch"
           " WHERE detections.timestamp >= " +
           since + "::bigint AND detections.timestamp < " + until + "::bigint" + chosen_batches;
}

const string of_these = "advertiser = ANY ($7::bigint[])";

string heard_of_detections(const string &from) {
    return " UNION ALL SELECT " + of_detection + from + " AND " + of_these;
}

const string wanted =
    ", wanted AS MATERIALIZED (SELECT DISTINCT day, place, advertiser FROM rollups_day WHERE " + of_these +
    " AND day BETWEEN $9::bigint / 86400000 AND $10::bigint / 86400000"
    " AND (day < $11::bigint / 86400000 OR day >= $12::bigint / 86400000)" +
    chosen + ")";
const string of_buckets =
    "SELECT found.bucket * 300000 AS at, found.advertiser, found.device, found.place, strongest, rssi_sum,"
    " detections, zone FROM wanted CROSS JOIN generate_series(0, 287) AS n"
    " CROSS JOIN LATERAL (SELECT * FROM rollups WHERE bucket = wanted.day * 288 + n AND place = wanted.place"
    " AND advertiser = wanted.advertiser OFFSET 0) AS found"
    " WHERE ((wanted.day * 288 + n >= $9::bigint / 300000 AND wanted.day * 288 + n < $11::bigint / 300000)"
    " OR (wanted.day * 288 + n >= $12::bigint / 300000 AND wanted.day * 288 + n < $10::bigint / 300000))"
    " AND ($3::bigint IS NULL OR device = $3::bigint)";
const string of_days =
    " UNION ALL SELECT day * 86400000, advertiser, device, place, strongest, rssi_sum, detections, zone"
    " FROM rollups_day WHERE " +
    of_these + " AND day >= $11::bigint / 86400000 AND day < $12::bigint / 86400000" + chosen;

}  // namespace

const string &track() {
    static const string sql =
        due_batches + wanted + ", heard (" + columns + ") AS (" + of_buckets + of_days +
        heard_of_detections(from_due) + heard_of_detections(from_detections("$1", "$9")) +
        heard_of_detections(from_detections("$10", "$2")) +
        "), each AS (SELECT at / $6::bigint AS step, advertiser, device, place, max(strongest) AS rssi,"
        " sum(rssi_sum)::bigint AS rssi_sum, sum(detections)::bigint AS detections, min(zone) AS zone FROM "
        "heard"
        " GROUP BY 1, 2, 3, 4)"
        " SELECT device_id, places.name, places.location, device_hash, step, NULL::bigint, NULL::bigint, "
        "rssi,"
        " rssi_sum, each.detections, zone"
        " FROM each JOIN devices ON devices.id = device JOIN advertiser_totals ON advertiser_totals.id = "
        "advertiser"
        " LEFT JOIN places ON places.id = place ORDER BY step DESC, device_id DESC, device_hash DESC, place "
        "DESC"
        " LIMIT $5::bigint";
    return sql;
}

const string &deleted() {
    static const string sql =
        " SELECT 1 WHERE EXISTS (SELECT 1 FROM rollup_days WHERE day = $1::bigint / 86400000 AND is_whole = "
        "0)"
        " AND (SELECT sum(detections) FROM rollups WHERE bucket = $1::bigint / 300000) >"
        " (SELECT count(*) FROM detections WHERE timestamp >= $1::bigint AND timestamp < $1::bigint + 300000"
        " AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE detections.batch BETWEEN from_batch AND to_batch))";
    return sql;
}

}  // namespace ble::postgres_rolled
