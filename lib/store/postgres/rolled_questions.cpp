#include "store/postgres/rolled_questions.hpp"

namespace ble::postgres_rolled {
namespace {

using std::string;

// The parts are those of SQLite (lib/store/sqlite/rolled_questions.cpp). LATERAL with OFFSET: a look into an index for each row on the left,
// whatever the server thinks of their number.
const string of_detection =
    "detections.timestamp AS at, advertiser, batches.device, coalesce(batches.place, 0) AS place,"
    " rssi AS strongest, rssi AS rssi_sum, 1 AS detections, zone";

const string chosen_places = " IN (SELECT id FROM places WHERE name = $4::text OR location = $4::text)";
const string chosen_batches =
    " AND ($3::bigint IS NULL OR batches.device = $3::bigint) AND ($4::text IS NULL OR batches.place" +
    chosen_places + ")";
const string chosen =
    " AND ($3::bigint IS NULL OR device = $3::bigint) AND ($4::text IS NULL OR place" + chosen_places + ")";

const string batches_due =
    "rollup_due CROSS JOIN LATERAL (SELECT * FROM batches WHERE id BETWEEN from_batch AND to_batch OFFSET 0)"
    " AS batches";
const string due_batches =
    ", due AS MATERIALIZED (SELECT id, device, place, greatest(oldest, $9::bigint) AS first,"
    " least(newest, $10::bigint - 1) AS last"
    " FROM " +
    batches_due + " WHERE oldest < $10::bigint AND newest >= $9::bigint" + chosen_batches + ")";
const string these_due_buckets = " unnest($15::bigint[]) AS due_buckets (bucket)";
const string from_due =
    " FROM" + these_due_buckets +
    " CROSS JOIN LATERAL (SELECT * FROM detections"
    " WHERE detections.timestamp >= due_buckets.bucket * 300000"
    " AND detections.timestamp < (due_buckets.bucket + 1) * 300000"
    " AND detections.timestamp >= $9::bigint AND detections.timestamp < $10::bigint OFFSET 0) AS detections"
    " JOIN due AS batches ON batches.id = detections.batch WHERE cardinality($15::bigint[]) > 0";

string from_detections(const string &since, const string &until) {
    return " FROM detections JOIN batches ON batches.id = detections.batch"
           " WHERE detections.timestamp >= " +
           since + "::bigint AND detections.timestamp < " + until + "::bigint" + chosen_batches;
}

// Before and after the whole five minutes. Each of their batches is looked up once: the server knows neither how few they are, nor that
// detections come by batches, and would read all batches there are. `more`: about detections.
string ends(const string &more = "") {
    const string found =
        "SELECT timestamp, advertiser, batch, rssi, zone FROM detections WHERE timestamp >= ";
    return ", ends AS MATERIALIZED (" + found + "$1::bigint AND timestamp < $9::bigint" + more +
           " UNION ALL " + found + "$10::bigint AND timestamp < $2::bigint" + more +
           "), batches_of_ends AS MATERIALIZED (SELECT id, device, place FROM (SELECT DISTINCT batch FROM"
           " ends) AS these CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = these.batch OFFSET 0) AS"
           " batches WHERE true" +
           chosen_batches + ")";
}
const string from_ends =
    " FROM ends AS detections JOIN batches_of_ends AS batches ON batches.id = detections.batch WHERE true";

// The same of both: of batches to be merged, and of ends().
string of_details(const string &columns, const string &more = "") {
    return " UNION ALL SELECT " + columns + from_due + more + " UNION ALL SELECT " + columns + from_ends;
}

const string of_these = "advertiser = ANY ($7::bigint[])";

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

const string of_that_place = " AND ($4::text IS NULL OR place" + chosen_places + ")";
const string their_places =
    ", their AS MATERIALIZED (SELECT DISTINCT place FROM device_places WHERE true" + chosen + ")";

string from_rollups(Reads reads, const string &table, const string &number, const string &from,
                    const string &until) {
    if (reads == Reads::rollups)
        return " FROM " + table + " AS part WHERE " + number + " >= " + from + " AND " + number + " < " +
               until + " AND " + from + " < " + until;
    const bool days = number == "day";
    const string each_one = days ? "known.day" : "known.day * 288 + n";
    return " FROM (SELECT " + each_one + " AS wanted FROM rollup_days AS known" +
           (days ? "" : " CROSS JOIN generate_series(0, 287) AS n") + " WHERE " + each_one + " >= " + from +
           " AND " + each_one + " < " + until +
           ") AS numbers CROSS JOIN their CROSS JOIN LATERAL (SELECT * FROM " + table + " WHERE " + number +
           " = wanted AND " + table +
           ".place = their.place OFFSET 0) AS part WHERE ($3::bigint IS NULL OR device = $3::bigint)";
}

const string unsettled =
    ", unsettled AS MATERIALIZED (SELECT number AS step FROM occupancy_due"
    " WHERE minutes = $6::bigint / 60000"
    " AND number BETWEEN $9::bigint / $6::bigint AND $10::bigint / $6::bigint"
    " UNION SELECT bucket * 300000 / $6::bigint FROM" +
    these_due_buckets + " UNION SELECT timestamp / $6::bigint FROM " + batches_due +
    " WHERE near IS NOT NULL AND timestamp >= $9::bigint AND timestamp < $10::bigint"
    " UNION SELECT $1::bigint / $6::bigint WHERE $1::bigint % $6::bigint <> 0"
    " UNION SELECT $2::bigint / $6::bigint WHERE $2::bigint % $6::bigint <> 0)";
// The five minutes of `table` in these steps.
string of_unsettled(const string &table, const string &where) {
    return " FROM unsettled CROSS JOIN LATERAL (SELECT * FROM " + table + " WHERE " + where +
           " >= greatest(step * $6::bigint, $9::bigint) / 300000 AND " + where.substr(where.rfind(' ') + 1) +
           " < least((step + 1) * $6::bigint, $10::bigint) / 300000 OFFSET 0) AS part WHERE true" +
           of_that_place;
}

string told_by_batches(const string &since, const string &until, const string &from = "batches",
                       const string &device = "") {
    return "SELECT batches.timestamp / $6::bigint, " + device +
           "coalesce(place, 0), near, medium, far FROM " + from +
           " WHERE near IS NOT NULL AND batches.timestamp >= " + since + "::bigint AND batches.timestamp < " +
           until + "::bigint" + chosen_batches;
}

string told(Reads reads, const string &device) {
    if (reads == Reads::details || reads == Reads::of_pi || !device.empty())
        return told_by_batches("$1", "$2", "batches", device);
    const string merged = reads == Reads::counts
                              ? "SELECT step, place, told_near, told_medium, told_far" +
                                    of_unsettled("occupancy_rollups", "minutes = 5 AND number")
                              : "SELECT number * 300000 / $6::bigint, place, told_near, told_medium, told_far"
                                " FROM occupancy_rollups WHERE minutes = 5 AND number >= $9::bigint / 300000"
                                " AND number < $10::bigint / 300000" +
                                    of_that_place;
    return merged + " UNION ALL " + told_by_batches("$1", "$9") + " UNION ALL " +
           told_by_batches("$10", "$2") + " UNION ALL " + told_by_batches("$9", "$10", batches_due);
}

}  // namespace

const string &track() {
    static const string sql =
        due_batches + ends(" AND " + of_these) + wanted +
        ", heard (at, advertiser, device, place, strongest, rssi_sum, detections, zone) AS (" + of_buckets +
        of_days + of_details(of_detection, " AND " + of_these) +
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

const string &expired() {
    static const string sql =
        " SELECT 1 FROM rollup_days WHERE is_whole = 0 AND day BETWEEN $1::bigint / 86400000 AND ($2::bigint "
        "- 1) / 86400000 LIMIT 1";
    return sql;
}

const string &due_buckets() {
    static const string sql =
        due_batches +
        " SELECT DISTINCT bucket FROM due, generate_series(first / 300000, last / 300000) AS bucket";
    return sql;
}

const string &cut() {
    static const string sql =
        " SELECT 1 FROM rollup_days WHERE is_cut <> 0 AND day BETWEEN $9::bigint / 86400000"
        " AND ($10::bigint - 1) / 86400000 LIMIT 1";
    return sql;
}

const string &unsettled_hours() {
    static const string sql =
        " SELECT DISTINCT number FROM occupancy_due WHERE minutes = 60"
        " AND number BETWEEN $9::bigint / 3600000 AND $10::bigint / 3600000";
    return sql;
}

const string &deleted() {
    static const string sql =
        " SELECT 1 WHERE EXISTS (SELECT 1 FROM rollup_days WHERE day = $1::bigint / 86400000 AND is_whole = "
        "0)"
        " AND ((SELECT sum(detections) FROM rollups WHERE bucket = $1::bigint / 300000) >"
        " (SELECT count(*) FROM detections WHERE timestamp >= $1::bigint AND timestamp < $1::bigint + 300000 "
        "AND NOT EXISTS"
        " (SELECT 1 FROM rollup_due WHERE detections.batch BETWEEN from_batch AND to_batch))"
        " OR EXISTS (SELECT 1 FROM occupancy_rollups AS told WHERE minutes = 5 AND number = $1::bigint / "
        "300000"
        " AND told_near + told_medium + told_far > (SELECT coalesce(max(near) + max(medium) + max(far), 0) "
        "FROM batches"
        " WHERE near IS NOT NULL AND batches.timestamp >= $1::bigint AND batches.timestamp < $1::bigint + "
        "300000"
        " AND coalesce(batches.place, 0) = told.place)))";
    return sql;
}

string heard(Reads reads) {
    const string details =
        "detections.timestamp, detections.timestamp, advertiser, batches.device,"
        " coalesce(batches.place, 0), rssi, zone, 1";
    const string heard =
        ", heard (first, last, advertiser, device, place, strongest, zone, detections) AS NOT MATERIALIZED (";
    if (reads == Reads::details) return heard + "SELECT " + details + from_detections("$1", "$2") + ")";
    // All parts have the same types: then the server adds them up without the columns that are not asked for.
    const auto merged = [](const string &times, const string &from) {
        return "SELECT " + times +
               ", advertiser, device::bigint, part.place::bigint, strongest, zone, detections" + from;
    };
    const auto from_these = [&](const string &table, const string &number, const string &these) {
        if (reads == Reads::rollups)
            return " FROM " + table + " AS part WHERE " + number + " = ANY (" + these + "::bigint[])";
        return " FROM unnest(" + these +
               "::bigint[]) AS these CROSS JOIN their CROSS JOIN LATERAL (SELECT * FROM " + table +
               " WHERE " + number + " = these AND " + table +
               ".place = their.place OFFSET 0) AS part WHERE ($3::bigint IS NULL OR device = $3::bigint)";
    };
    return due_batches + ends() + their_places + heard +
           merged("bucket * 300000, bucket * 300000", from_these("rollups", "bucket", "$14")) +
           " UNION ALL " +
           merged("hour::bigint * 3600000 + first * 300000, hour::bigint * 3600000 + last * 300000",
                  from_these("rollups_hour", "hour", "$13")) +
           " UNION ALL " +
           merged("day * 86400000 + first * 300000, day * 86400000 + last * 300000",
                  from_rollups(reads, "rollups_day", "day", "$11::bigint / 86400000",
                               "$12::bigint / 86400000")) +
           of_details(details) + ")";
}

string occupancy(Reads reads, bool by_device) {
    const string device = by_device ? "device, " : "", their = by_device ? "batches.device, " : "";
    const string details =
        "detections.timestamp / $6::bigint, " + their + "coalesce(batches.place, 0), advertiser, zone";
    const string merged =
        reads == Reads::counts
            ? "SELECT step, part.place, advertiser, zone" + of_unsettled("rollups", "bucket")
            : "SELECT bucket * 300000 / $6::bigint, " + device + "part.place, advertiser, zone" +
                  from_rollups(reads, "rollups", "bucket", "$9::bigint / 300000", "$10::bigint / 300000");
    const string heard = reads == Reads::details ? "SELECT " + details + from_detections("$1", "$2")
                                                 : merged + of_details(details);
    const string settled =
        reads == Reads::counts
            ? " UNION ALL SELECT number, place, near, medium, far, told_near, told_medium, told_far FROM "
              "occupancy_rollups WHERE minutes = $6::bigint / 60000"
              " AND number >= $9::bigint / $6::bigint AND number < $10::bigint / $6::bigint"
              " AND number NOT IN (SELECT step FROM unsettled)" +
                  of_that_place
            : "";
    return due_batches + (reads == Reads::details ? "" : ends()) + their_places +
           (reads == Reads::counts ? unsettled : "") + ", heard (step, " + device +
           "place, advertiser, zone) AS (" + heard + "), each AS (SELECT step, " + device +
           "place, advertiser, min(zone) AS zone FROM heard GROUP BY step, " + device +
           "place, advertiser), told (step, " + device + "place, near, medium, far) AS (" +
           told(reads, their) + "), together (step, " + device +
           "place, near, medium, far, told_near, told_medium, told_far) AS (SELECT step, " + device +
           "place, count(*) FILTER (WHERE zone = 0), count(*) FILTER (WHERE zone = 1),"
           " count(*) FILTER (WHERE zone = 2), 0, 0, 0 FROM each GROUP BY step, " +
           device + "place UNION ALL SELECT step, " + device +
           "place, 0, 0, 0, max(near), max(medium), max(far) FROM told GROUP BY step, " + device + "place" +
           settled + ")";
}

}  // namespace ble::postgres_rolled
