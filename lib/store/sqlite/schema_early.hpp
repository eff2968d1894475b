// Versions 2 to 6 of the database.
#pragma once

namespace ble::schema {

constexpr char joined_windows[] = R"sql(
-- When each Pi's radio was listening, window by window. Filter by timestamp_ms.
DROP VIEW coverage;
CREATE VIEW windows AS
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', (batches.timestamp - batches.window_ms) / 1000.0, 'unixepoch') AS listened_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.timestamp / 1000.0, 'unixepoch') AS listened_until,
       CASE batches.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       batches.window_ms, batches.interval_ms, batches.timestamp AS timestamp_ms
  FROM batches
  JOIN devices ON devices.id = batches.device
  LEFT JOIN places ON places.id = batches.place
 WHERE batches.timestamp IS NOT NULL AND batches.window_ms IS NOT NULL;

-- The same in short: one row for each stretch in which no window is missing. Outside of these, silence is not absence.
-- A window is missing when one begins more than one and a half intervals after the one before it.
CREATE VIEW coverage AS
WITH each AS (
    SELECT *, timestamp - lag(timestamp) OVER series AS since_last
      FROM batches WHERE timestamp IS NOT NULL AND window_ms IS NOT NULL
    WINDOW series AS (PARTITION BY device, place, clock ORDER BY timestamp)),
numbered AS (
    SELECT *, sum(since_last IS NULL OR since_last > 1.5 * max(window_ms, coalesce(interval_ms, 0))) OVER series AS stretch
      FROM each
    WINDOW series AS (PARTITION BY device, place, clock ORDER BY timestamp))
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(numbered.timestamp - numbered.window_ms) / 1000.0, 'unixepoch') AS listened_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(numbered.timestamp) / 1000.0, 'unixepoch') AS listened_until,
       count(*) AS windows, round(sum(numbered.window_ms) / 1000.0, 1) AS listened_s,
       CASE numbered.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock
  FROM numbered
  JOIN devices ON devices.id = numbered.device
  LEFT JOIN places ON places.id = numbered.place
 GROUP BY numbered.device, numbered.place, numbered.clock, numbered.stretch
 ORDER BY devices.device_id, max(numbered.timestamp) DESC;

-- What did not arrive: what, from whom, since when, why; the latest first. A Pi is silent after three of its intervals
-- and five minutes.
DROP VIEW missing;
CREATE VIEW missing AS
SELECT 'batches' AS what, devices.device_id, devices.name, devices.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', gaps.noticed_at / 1000.0, 'unixepoch') AS since, gaps.reason,
       gaps.to_seq - gaps.from_seq + 1 AS batches, runs.run_id, gaps.from_seq, gaps.to_seq
  FROM gaps
  JOIN runs ON runs.id = gaps.run
  JOIN devices ON devices.id = runs.device
UNION ALL
SELECT 'device', devices.device_id, devices.name, devices.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_received / 1000.0, 'unixepoch'), 'silent', NULL, NULL, NULL, NULL
  FROM devices
  LEFT JOIN batches ON batches.id = devices.last_batch
 WHERE devices.is_active
   AND unixepoch('now') * 1000 - devices.last_received > max(300000, 3 * coalesce(batches.interval_ms, 0))
 ORDER BY since DESC, device_id;
)sql";

constexpr char occupancy[] = R"sql(
-- Of a Pi that tells how many advertisers were in each zone, and not who they were.
ALTER TABLE batches ADD COLUMN near INTEGER;
ALTER TABLE batches ADD COLUMN medium INTEGER;
ALTER TABLE batches ADD COLUMN far INTEGER;

-- One row for each window of such a Pi. Filter by timestamp_ms.
CREATE VIEW occupancy AS
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.timestamp / 1000.0, 'unixepoch') AS timestamp,
       batches.near, batches.medium, batches.far, batches.near + batches.medium + batches.far AS advertisers,
       batches.window_ms, batches.timestamp AS timestamp_ms
  FROM batches
  JOIN devices ON devices.id = batches.device
  LEFT JOIN places ON places.id = batches.place
 WHERE batches.near IS NOT NULL;
)sql";

constexpr char ages[] = R"sql(
-- How old the store is, in seconds that have really passed while the machine ran, and what the clocks said when that was
-- last written. The clock could be believed (sure_…) when it was synchronised and had not been set for a day of running.
CREATE TABLE age (
    lived_s        INTEGER NOT NULL,
    boot           TEXT NOT NULL,     -- which start of the machine, and its uptime
    uptime_s       INTEGER NOT NULL,
    wall_ms        INTEGER NOT NULL,
    steady_since_s INTEGER NOT NULL,  -- the age at which the machine was started or its clock set
    sure_boot      TEXT NOT NULL,
    sure_wall_ms   INTEGER NOT NULL,
    sure_lived_s   INTEGER NOT NULL,
    rest_began_s   INTEGER NOT NULL,  -- the age when the machine was off or its clock in doubt, after that
    hour_began_s   INTEGER NOT NULL,  -- of retention: the age at which the present hour began,
    hour_left      INTEGER NOT NULL   -- and how many batches it may still delete in it
) STRICT;
INSERT INTO age VALUES (0, '', 0, 0, 0, '', 0, 0, 0, -7200, 0);

-- The store's age when a row was stored. Rows of before are taken to be as young as can be.
ALTER TABLE batches ADD COLUMN lived_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch_hashes ADD COLUMN lived_s INTEGER NOT NULL DEFAULT 0;
DROP INDEX batches_received_at;
DROP INDEX batch_hashes_received_at;
CREATE INDEX batches_age ON batches (lived_s, received_at);
CREATE INDEX batch_hashes_age ON batch_hashes (lived_s, received_at);

-- Since when a Pi is silent: when its last batch in order of arrival was received. A time that is still to come was the
-- word of a clock that was ahead, and then that of its newest batch counts, by the Pi's own clock; NULL: that as well.
CREATE VIEW last_heard AS
SELECT devices.id AS device, batches.interval_ms, batches.clock, batches.run,
       CASE WHEN devices.last_received <= (unixepoch('now') + 300) * 1000 THEN devices.last_received
            WHEN batches.timestamp <= unixepoch('now') * 1000 THEN batches.timestamp END AS heard_ms
  FROM devices
  LEFT JOIN batches ON batches.id = devices.last_batch;
)sql";

constexpr char stretches[] = R"sql(
-- Windows that follow each other, of one device, place (0: none told) and clock (-1: not told). A window belongs to the
-- stretch before it when it ends at most one and a half intervals after that.
CREATE TABLE stretches (
    device      INTEGER NOT NULL REFERENCES devices (id),
    place       INTEGER NOT NULL,
    clock       INTEGER NOT NULL,
    first       INTEGER NOT NULL,     -- the end of the first window
    begin       INTEGER NOT NULL,     -- the start of that
    last        INTEGER NOT NULL,     -- the end of the last window
    windows     INTEGER NOT NULL,
    listened_ms INTEGER NOT NULL,
    reach       INTEGER NOT NULL,     -- one and a half intervals of the first window
    PRIMARY KEY (device, place, clock, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX stretches_last ON stretches (device, last);

INSERT INTO stretches
WITH each AS (
    SELECT id, device, place, clock, timestamp, window_ms, max(window_ms, coalesce(interval_ms, 0)) * 3 / 2 AS reach,
           timestamp - lag(timestamp) OVER series AS since_last
      FROM batches WHERE timestamp IS NOT NULL AND window_ms IS NOT NULL
    WINDOW series AS (PARTITION BY device, place, clock ORDER BY timestamp, id)),
begun AS (SELECT *, since_last IS NULL OR since_last > reach AS is_first FROM each),
numbered AS (
    SELECT *, sum(is_first) OVER (PARTITION BY device, place, clock ORDER BY timestamp, id ROWS UNBOUNDED PRECEDING) AS stretch
      FROM begun)
SELECT device, coalesce(place, 0), coalesce(clock, -1), min(timestamp), min(timestamp - window_ms), max(timestamp), count(*),
       sum(window_ms), max(iif(is_first, reach, 0))
  FROM numbered GROUP BY device, place, clock, stretch;

-- When each Pi's radio was listening: one row for each stretch in which no window is missing, the latest first. Outside of
-- these, silence is not absence. Filter by device_id, and by until_ms and from_ms. CROSS: device by device, so that the
-- latest are found by the indexes, without sorting all.
DROP VIEW coverage;
CREATE VIEW coverage AS
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', stretches.begin / 1000.0, 'unixepoch') AS listened_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', stretches.last / 1000.0, 'unixepoch') AS listened_until,
       stretches.windows, round(stretches.listened_ms / 1000.0, 1) AS listened_s,
       CASE stretches.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       stretches.begin AS from_ms, stretches.last AS until_ms
  FROM devices
 CROSS JOIN stretches ON stretches.device = devices.id
  LEFT JOIN places ON places.id = stretches.place
 ORDER BY devices.device_id, stretches.last DESC;
)sql";

constexpr char turns[] = R"sql(
-- Which of a device's runs had its window last before another's (lib/store/twin_watch.hpp), and since and until when two of
-- them were at it at once: since, until by the time of receipt.
CREATE TABLE turns (
    device  INTEGER PRIMARY KEY REFERENCES devices (id),
    run     INTEGER NOT NULL REFERENCES runs (id),
    at      INTEGER NOT NULL,         -- the end of that window
    other   INTEGER REFERENCES runs (id),
    since   INTEGER,
    until   INTEGER
) STRICT;
-- How often the run took the turn back from another; NULL: it has not had it yet.
ALTER TABLE runs ADD COLUMN returns INTEGER;

-- Two runs that were at it in the last day. A time that is still to come was the word of a clock that was ahead.
CREATE VIEW two_at_once AS
SELECT device, other, since FROM turns WHERE until / 1000 BETWEEN unixepoch('now') - 86400 AND unixepoch('now') + 300;

-- One row for each Pi. two_at_once: since when two runs have its name at once; empty when none did in the last day.
DROP VIEW device_status;
CREATE VIEW device_status AS
SELECT devices.device_id, devices.name, devices.location, devices.is_active,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.first_seen / 1000.0, 'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_seen / 1000.0, 'unixepoch') AS last_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_received / 1000.0, 'unixepoch') AS last_received,
       max(unixepoch('now') - last_heard.heard_ms / 1000, 0) AS silent_s,
       CASE last_heard.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       runs.run_id, runs.hash_id,
       (SELECT CAST(total(gaps.to_seq - gaps.from_seq + 1) AS INTEGER) FROM gaps JOIN runs AS other ON other.id = gaps.run
         WHERE other.device = devices.id) AS batches_missing,
       strftime('%Y-%m-%dT%H:%M:%fZ', two_at_once.since / 1000.0, 'unixepoch') AS two_at_once
  FROM devices
  JOIN last_heard ON last_heard.device = devices.id
  LEFT JOIN runs ON runs.id = last_heard.run
  LEFT JOIN two_at_once ON two_at_once.device = devices.id;

-- What did not arrive: what, from whom, since when, why; the latest first. A Pi is silent after three of its intervals
-- and five minutes. Of two at once, neither is seen to be silent.
DROP VIEW missing;
CREATE VIEW missing AS
SELECT 'batches' AS what, devices.device_id, devices.name, devices.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', gaps.noticed_at / 1000.0, 'unixepoch') AS since, gaps.reason,
       gaps.to_seq - gaps.from_seq + 1 AS batches, runs.run_id, gaps.from_seq, gaps.to_seq
  FROM gaps
  JOIN runs ON runs.id = gaps.run
  JOIN devices ON devices.id = runs.device
UNION ALL
SELECT 'device', devices.device_id, devices.name, devices.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', last_heard.heard_ms / 1000.0, 'unixepoch'), 'silent', NULL, NULL, NULL, NULL
  FROM devices
  JOIN last_heard ON last_heard.device = devices.id
 WHERE devices.is_active
   AND coalesce(unixepoch('now') * 1000 - last_heard.heard_ms > max(300000, 3 * coalesce(last_heard.interval_ms, 0)), 1)
UNION ALL
SELECT 'device', devices.device_id, devices.name, devices.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', two_at_once.since / 1000.0, 'unixepoch'), 'two at once', NULL, runs.run_id, NULL, NULL
  FROM two_at_once
  JOIN devices ON devices.id = two_at_once.device
  JOIN runs ON runs.id = two_at_once.other
 WHERE devices.is_active
 ORDER BY since DESC, device_id;
)sql";

}  // namespace ble::schema
