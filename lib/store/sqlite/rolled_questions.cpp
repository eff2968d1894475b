#include "store/sqlite/rolled_questions.hpp"

namespace ble::sqlite_rolled {
namespace {

using std::string;

// What is heard comes from five places, none of which knows what another does: days, hours and five minutes that are merged, batches of that time
// that are yet to be merged, and the detections before and after it. place 0: none was told. CROSS: in this order.
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
    " CROSS JOIN detections ON detections.timestamp >= max(part.bucket * 300000, ?9)"
    " AND detections.timestamp < min((part.bucket + 1) * 300000, ?10) AND detections.batch IN (SELECT id "
    "FROM due)"
    " CROSS JOIN batches ON batches.id = detections.batch WHERE true";

string from_detections(const string &since, const string &until) {
    return " FROM detections CROSS JOIN batches ON batches.id = detections.batch"
           " WHERE detections.timestamp >= " +
           since + " AND detections.timestamp < " + until + chosen_batches;
}

const string of_these = "advertiser IN (SELECT value FROM json_each(?7))";

// The same of all three: of batches to be merged, and before and after the whole five minutes.
string of_details(const string &columns, const string &more = "") {
    string sql;
    for (const auto &from : {from_due, from_detections("?1", "?9"), from_detections("?10", "?2")})
        sql += " UNION ALL SELECT " + columns + from + more;
    return sql;
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

// Of a Pi or a place: its rows are looked for place by place.
const string their_places =
    ", their AS MATERIALIZED (SELECT DISTINCT place FROM device_places WHERE true" + chosen + ")";

// Rows of a table of rollups whose `number` is from the one to before the other.
string from_rollups(Reads reads, const string &table, const string &number, const string &from,
                    const string &until) {
    if (reads == Reads::rollups)
        return " FROM " + table + " WHERE " + number + " >= " + from + " AND " + number + " < " + until;
    const string days = " FROM (SELECT day AS of FROM rollup_days) AS known CROSS JOIN ";
    const string found = " CROSS JOIN " + table + " ON " + table + "." + number;
    const string rest = " AND " + table + ".place = their.place WHERE (?3 IS NULL OR device = ?3) AND " +
                        table + "." + number + " >= " + from + " AND " + table + "." + number + " < " + until;
    if (number == "day") return days + "their" + found + " = known.of" + rest;
    return days +
           "(WITH RECURSIVE five (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM five WHERE n < 287)"
           " SELECT n FROM five) AS five CROSS JOIN their" +
           found + " = known.of * 288 + n" + rest + " AND known.of BETWEEN " + from + " / 288 AND " + until +
           " / 288";
}

// The steps in which something changed since they were counted, or of which only a part is asked for.
const string unsettled =
    ", unsettled AS MATERIALIZED (SELECT number AS step FROM occupancy_due WHERE minutes = ?6 / 60000"
    " AND number BETWEEN ?9 / ?6 AND ?10 / ?6"
    " UNION SELECT bucket * 300000 / ?6 FROM due_buckets"
    " UNION SELECT timestamp / ?6 FROM rollup_due CROSS JOIN batches ON batches.id BETWEEN from_batch AND "
    "to_batch WHERE near IS NOT NULL AND timestamp >= ?9 AND timestamp < ?10"
    " UNION SELECT ?1 / ?6 WHERE ?1 % ?6 <> 0 UNION SELECT ?2 / ?6 WHERE ?2 % ?6 <> 0)";
// Of these, the five minutes that are merged.
const string from_unsettled =
    " FROM unsettled CROSS JOIN rollups ON bucket >= max(step * ?6, ?9) / 300000"
    " AND bucket < min((step + 1) * ?6, ?10) / 300000 WHERE (?4 IS NULL OR place" +
    chosen_places + ")";

// Numbers that are told alone: the rest of the statement, whose rows are of that place.
string told_by_batches(const string &since, const string &until, const string &from = "batches",
                       const string &device = "") {
    return "SELECT batches.timestamp / ?6, " + device + "coalesce(place, 0), near, medium, far FROM " + from +
           " WHERE near IS NOT NULL AND batches.timestamp >= " + since + " AND batches.timestamp < " + until +
           chosen_batches;
}
string told_by_rollups(const string &step, const string &from, const string &where) {
    return "SELECT " + step + ", place, told_near, told_medium, told_far FROM " + from + where +
           " AND (?4 IS NULL OR place" + chosen_places + ")";
}

// With what is not in the rollups. A rollup does not know which Pi told a number.
string told(Reads reads, const string &device) {
    if (reads == Reads::details || reads == Reads::of_pi || !device.empty())
        return told_by_batches("?1", "?2", "batches", device);
    const string merged =
        reads == Reads::counts
            ? told_by_rollups("step", "unsettled CROSS JOIN occupancy_rollups",
                              " ON minutes = 5 AND number >= max(step * ?6, ?9) / 300000"
                              " AND number < min((step + 1) * ?6, ?10) / 300000 WHERE true")
            : told_by_rollups("number * 300000 / ?6", "occupancy_rollups",
                              " WHERE minutes = 5 AND number >= ?9 / 300000 AND number < ?10 / 300000");
    return merged + " UNION ALL " + told_by_batches("?1", "?9") + " UNION ALL " +
           told_by_batches("?10", "?2") + " UNION ALL " +
           told_by_batches("?9", "?10",
                           "rollup_due CROSS JOIN batches ON batches.id BETWEEN from_batch AND to_batch");
}

}  // namespace

const string &track() {
    static const string sql =
        due_batches + wanted +
        ", heard (at, advertiser, device, place, strongest, rssi_sum, detections, zone) AS (" + of_buckets +
        of_days + of_details(of_detection, " AND " + of_these) +
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

const string &expired() {
    static const string sql =
        " SELECT 1 FROM rollup_days WHERE is_whole = 0 AND day BETWEEN ?1 / 86400000 AND (?2 - 1) / 86400000 "
        "LIMIT 1";
    return sql;
}

const string &cut() {
    static const string sql =
        " SELECT 1 FROM rollup_days WHERE is_cut <> 0 AND day BETWEEN ?9 / 86400000 AND (?10 - 1) / 86400000"
        " LIMIT 1";
    return sql;
}

const string &unsettled_hours() {
    static const string sql =
        " SELECT DISTINCT number FROM occupancy_due WHERE minutes = 60 AND number BETWEEN ?9 / 3600000 AND "
        "?10 / 3600000";
    return sql;
}

const string &deleted() {
    static const string sql =
        " SELECT 1 WHERE EXISTS (SELECT 1 FROM rollup_days WHERE day = ?1 / 86400000 AND is_whole = 0)"
        " AND ((SELECT sum(detections) FROM rollups WHERE bucket = ?1 / 300000) >"
        " (SELECT count(*) FROM detections WHERE timestamp >= ?1 AND timestamp < ?1 + 300000 AND NOT EXISTS"
        " (SELECT 1 FROM rollup_due WHERE detections.batch BETWEEN from_batch AND to_batch))"
        " OR EXISTS (SELECT 1 FROM occupancy_rollups AS told WHERE minutes = 5 AND number = ?1 / 300000"
        " AND told_near + told_medium + told_far > (SELECT coalesce(max(near) + max(medium) + max(far), 0) "
        "FROM batches"
        " WHERE near IS NOT NULL AND batches.timestamp >= ?1 AND batches.timestamp < ?1 + 300000"
        " AND coalesce(batches.place, 0) = told.place)))";
    return sql;
}

string heard(Reads reads) {
    const string details =
        "detections.timestamp, detections.timestamp, advertiser, batches.device,"
        " coalesce(batches.place, 0), rssi, zone, 1";
    if (reads == Reads::details) return " SELECT " + details + from_detections("?1", "?2");
    const auto merged = [](const string &table, const string &times, const string &from) {
        return "SELECT " + times + ", advertiser, device, " + table + ".place, strongest, zone, detections" +
               from;
    };
    const auto from_these = [&](const string &table, const string &number, const string &these) {
        const string found = " CROSS JOIN " + table + " ON " + number + " = these.value";
        return " FROM json_each(" + these + ") AS these" +
               (reads == Reads::rollups ? found
                                        : " CROSS JOIN their" + found + " AND " + table +
                                              ".place = their.place WHERE (?3 IS NULL OR device = ?3)");
    };
    return due_batches + their_places + " " +
           merged("rollups", "bucket * 300000, bucket * 300000", from_these("rollups", "bucket", "?14")) +
           " UNION ALL " +
           merged("rollups_hour", "hour * 3600000 + first * 300000, hour * 3600000 + last * 300000",
                  from_these("rollups_hour", "hour", "?13")) +
           " UNION ALL " +
           merged("rollups_day", "day * 86400000 + first * 300000, day * 86400000 + last * 300000",
                  from_rollups(reads, "rollups_day", "day", "?11 / 86400000", "?12 / 86400000")) +
           of_details(details);
}

string occupancy(Reads reads, bool by_device) {
    const string device = by_device ? "device, " : "", their = by_device ? "batches.device, " : "";
    const string details =
        "detections.timestamp / ?6, " + their + "coalesce(batches.place, 0), advertiser, zone";
    const string merged = reads == Reads::counts
                              ? "SELECT step, rollups.place, advertiser, zone" + from_unsettled
                              : "SELECT bucket * 300000 / ?6, " + device + "rollups.place, advertiser, zone" +
                                    from_rollups(reads, "rollups", "bucket", "?9 / 300000", "?10 / 300000");
    const string heard = reads == Reads::details ? "SELECT " + details + from_detections("?1", "?2")
                                                 : merged + of_details(details);
    const string settled =
        reads == Reads::counts
            ? " UNION ALL SELECT number, place, near, medium, far, told_near, told_medium, told_far FROM "
              "occupancy_rollups WHERE minutes = ?6 / 60000 AND number >= ?9 / ?6 AND number < ?10 / ?6"
              " AND number NOT IN (SELECT step FROM unsettled) AND (?4 IS NULL OR place" +
                  chosen_places + ")"
            : "";
    return due_batches + their_places + (reads == Reads::counts ? unsettled : "") + ", heard (step, " +
           device + "place, advertiser, zone) AS (" + heard + "), each AS (SELECT step, " + device +
           "place, advertiser, min(zone) AS zone FROM heard GROUP BY step, " + device +
           "place, advertiser), told (step, " + device + "place, near, medium, far) AS (" +
           told(reads, their) + "), together (step, " + device +
           "place, near, medium, far, told_near, told_medium, told_far) AS (SELECT step, " + device +
           "place, sum(zone = 0), sum(zone = 1), sum(zone = 2), 0, 0, 0 FROM each GROUP BY step, " + device +
           "place UNION ALL SELECT step, " + device +
           "place, 0, 0, 0, max(near), max(medium), max(far) FROM told GROUP BY step, " + device + "place" +
           settled + ")";
}

}  // namespace ble::sqlite_rolled
