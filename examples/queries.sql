-- Questions to a database of bleingest: sqlite3 -box ble.db < queries.sql
-- With PostgreSQL: PGOPTIONS='-c search_path=blepipe' psql -f queries.sql postgresql://HOST/NAME
-- bleingest goes on storing meanwhile.

-- How are the Pis? When each was last heard, its clock, how many of its batches are missing, whether two Pis have its
-- name, and which version it runs.
SELECT device_id, name, location, last_seen, silent_s, clock, batches_missing, two_at_once, version FROM device_status
 ORDER BY device_id;

-- Who is here now? For each advertiser heard in the last minute, the Pi that hears it best.
SELECT substr(device_hash, 1, 12) AS advertiser, device_id, location, rssi, zone, timestamp FROM presence
 ORDER BY rssi DESC;

-- What did not arrive, from which Pi, and why? `since`: when this was noticed; `lost_from`, `lost_to`: of which time. The latest first.
-- For a Pi that was removed, set is_active to 0 in the table devices.
SELECT what, device_id, location, since, reason, batches, lost_from, lost_to, lost_clock FROM missing;

-- When did each radio listen in the last day? Windows that follow each other are one row. At all other times nobody
-- listened: silence is not absence.
SELECT device_id, location, listened_from, listened_until, windows, listened_s, clock FROM coverage
 WHERE until_ms >= (unixepoch('now') - 86400) * 1000;

-- The last hour. timestamp_ms (milliseconds since 1970) is the order on disk: filter by it, not by the text.
SELECT timestamp, device_id, substr(device_hash, 1, 12) AS advertiser, rssi, zone FROM detection_log
 WHERE timestamp_ms >= (unixepoch('now') - 3600) * 1000 ORDER BY timestamp_ms DESC LIMIT 20;

-- How many advertisers were at each place, in the hours of the last week? This reads no detections.
SELECT location, since, near, medium, far, advertisers FROM occupancy_log
 WHERE minutes = 60 AND since_ms >= (unixepoch('now') - 604800) * 1000 ORDER BY since DESC, location;

-- Where was one advertiser in the hour before it was last heard? `blescan --hash ADDRESS` prints the hash of an address; here:
-- the one heard most. Detections are found by their time: without it all of them are read.
WITH one AS (SELECT device_hash, last_seen FROM advertisers ORDER BY detections DESC LIMIT 1)
SELECT timestamp, device_id, location, rssi, zone FROM detection_log
 WHERE device_hash = (SELECT device_hash FROM one) AND timestamp_ms >= (SELECT last_seen FROM one) - 3600000
 ORDER BY timestamp_ms DESC LIMIT 10;

-- Advertisers that came for the first time today.
SELECT count(*) AS new_today FROM advertisers WHERE first_seen >= unixepoch('now', 'start of day') * 1000;

-- How much of each hour of the last day did each Pi's radio listen?
SELECT device_id, substr(listened_until, 1, 13) || ':00Z' AS hour,
       round(100.0 * sum(window_ms) / 3600000, 1) AS percent_listened
  FROM windows WHERE timestamp_ms >= (unixepoch('now') - 86400) * 1000
 GROUP BY 1, 2 ORDER BY 1, 2;

-- Do all Pis hash with the same key? If not, their hashes never match. Only one row: they do.
SELECT hash_id, count(DISTINCT device) AS devices, count(*) AS runs FROM runs GROUP BY hash_id;

-- How long do batches take from the radio to the database?
SELECT device_id, count(*) AS batches, round(avg(received_at - timestamp) / 1000.0, 1) AS average_s,
       round(max(received_at - timestamp) / 1000.0, 1) AS longest_s
  FROM batches JOIN devices ON devices.id = batches.device
 WHERE received_at >= (unixepoch('now') - 86400) * 1000 AND clock = 1 GROUP BY device_id;

-- Details (blescan --detail): iBeacons heard.
SELECT DISTINCT details -> 'beacon' ->> 'uuid' AS uuid, details -> 'beacon' ->> 'major' AS major,
       details -> 'beacon' ->> 'minor' AS minor
  FROM details WHERE details -> 'beacon' ->> 'uuid' IS NOT NULL LIMIT 20;
