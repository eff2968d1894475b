#include "store/sqlite/rolled_questions.hpp"

namespace ble::sqlite_rolled {
namespace {

using std::string;

// What is heard comes from four places, none of which knows what another does: days and five minutes that are merged, batches of that time that are
// yet to be merged, and the detections before and after it. place 0: none was told. CROSS: in this order.
const string columns = "at, advertiser, device, place, strongest, rssi_sum, detections, zone";
const string of_detection =
    "detections.timestamp AS at, advertiser, batches.device, coalesce(batches.place, 0) AS place,"
    " rssi AS strongest, rssi AS rssi_sum, 1 AS detections, zone";

const string chosen_places = " IN (SELECT id FROM places WHERE name = ?4 OR location = ?4)";
const string chosen_batches =
    " AND (?3 IS NULL OR batches.device = ?3) AND (?4 IS NULL OR batches.place" + chosen_places + ")";
const string chosen = " AND (?3 IS NULL OR device = ?3) AND (?4 IS NULL OR place" + chosen_places + ")";

// The five minutes in which batches to be merged have detections: each of these is read once, however many batches there are.
const string due_batches =
    ", due AS MATERIALIZED (SELECT id, max(oldest, ?9) AS first, min(newest, ?10 - 1) AS last"
    " FROM rollup_due CROSS JOIN batches ON batches.id BETWEEN from_batch AND to_batch"
    " WHERE oldest < ?10 AND newest >= ?9" +
    chosen_batches +
    "), due_buckets (bucket, last) AS (SELECT first / 300000, last / 300000 FROM due"
    " UNION SELECT bucket + 1, last FROM due_buckets WHERE bucket < last)";
const string from_due =
    " FROM (SELECT DISTINCT bucket FROM due_buckets) AS part"
    " CROSS JOIN detections ON detections.timestamp >= part.bucket * 300000"
    " AND detections.timestamp < (part.bucket + 1) * 300000 AND detections.batch IN (SELECT id FROM due)"
    " CROSS JOIN batches ON batches.id = detections.batch"
    " WHERE detections.timestamp >= ?9 AND detections.timestamp < ?10";

string from_detections(const string &since, const string &until) {
    return " FROM detections CROSS JOIN batches ON batches.id = detections.batch"
           " WHERE detections.timestamp >= " +
           since + " AND detections.timestamp < " + until + chosen_batches;
}

const string of_these = "advertiser IN (SELECT value FROM json_each(?7))";

string heard_of_detections(const string &from) {
    return " UNION ALL SELECT " + of_detection + from + " AND " + of_these;
}

// Days without those that are answered as days; of each, its five minutes are looked for by their key.
const string wanted =
    ", wanted AS MATERIALIZED (SELECT DISTINCT day, place, advertiser FROM rollups_day INDEXED BY"
    " rollups_day_advertiser WHERE " +
    of_these +
    " AND day BETWEEN ?9 / 86400000 AND ?10 / 86400000 AND (day < ?11 / 86400000 OR day >= ?12 / 86400000)" +
    chosen + "), buckets (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM buckets WHERE n < 287)";
const string of_buckets =
    "SELECT bucket * 300000 AS at, rollups.advertiser, device, rollups.place, strongest, rssi_sum, "
    "detections, zone"
    " FROM wanted CROSS JOIN buckets CROSS JOIN rollups ON bucket = wanted.day * 288 + n"
    " AND rollups.place = wanted.place AND rollups.advertiser = wanted.advertiser"
    " WHERE ((bucket >= ?9 / 300000 AND bucket < ?11 / 300000)"
    " OR (bucket >= ?12 / 300000 AND bucket < ?10 / 300000)) AND (?3 IS NULL OR device = ?3)";
const string of_days =
    " UNION ALL SELECT day * 86400000, advertiser, device, place, strongest, rssi_sum, detections, zone"
    " FROM rollups_day INDEXED BY rollups_day_advertiser WHERE " +
    of_these + " AND day >= ?11 / 86400000 AND day < ?12 / 86400000" + chosen;

}  // namespace

const string &track() {
    static const string sql =
        due_batches + wanted + ", heard (" + columns + ") AS (" + of_buckets + of_days +
        heard_of_detections(from_due) + heard_of_detections(from_detections("?1", "?9")) +
        heard_of_detections(from_detections("?10", "?2")) +
        "), each AS (SELECT at / ?6 AS step, advertiser, device, place, max(strongest) AS rssi,"
        " sum(rssi_sum) AS rssi_sum, sum(detections) AS detections, min(zone) AS zone FROM heard"
        " GROUP BY 1, 2, 3, 4)"
        " SELECT device_id, places.name, places.location, device_hash, step, NULL, NULL, rssi, rssi_sum,"
        " each.detections, zone"
        " FROM each JOIN devices ON devices.id = device JOIN advertisers ON advertisers.id = advertiser"
        " LEFT JOIN places ON places.id = place ORDER BY step DESC, device_id DESC, device_hash DESC, place "
        "DESC"
        " LIMIT ?5";
    return sql;
}

const string &deleted() {
    static const string sql =
        " SELECT 1 WHERE EXISTS (SELECT 1 FROM rollup_days WHERE day = ?1 / 86400000 AND is_whole = 0)"
        " AND (SELECT sum(detections) FROM rollups WHERE bucket = ?1 / 300000) >"
        " (SELECT count(*) FROM detections WHERE timestamp >= ?1 AND timestamp < ?1 + 300000 AND NOT EXISTS"
        " (SELECT 1 FROM rollup_due WHERE detections.batch BETWEEN from_batch AND to_batch))";
    return sql;
}

}  // namespace ble::sqlite_rolled
