// Version 1 of the database.
#pragma once

namespace ble::schema {

// All times are integers: milliseconds since 1970, UTC. The views show them as text.
constexpr char tables[] = R"sql(
-- One row. The epoch grows whenever rows go whose ids a running process may remember.
CREATE TABLE state (epoch INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (0);

-- The Pis. Set is_active to 0 for one that was taken down: it is then no longer reported as silent.
CREATE TABLE devices (
    id            INTEGER PRIMARY KEY,
    device_id     TEXT NOT NULL UNIQUE,
    name          TEXT,
    location      TEXT,
    first_seen    INTEGER,            -- when its oldest and its newest batch were taken; while its clock is wrong,
    last_seen     INTEGER,            -- when they were received
    last_received INTEGER NOT NULL,
    last_batch    INTEGER REFERENCES batches (id),
    is_active     INTEGER NOT NULL DEFAULT 1
) STRICT;

-- A batch keeps the place that it was taken at: moving a Pi does not rewrite history.
CREATE TABLE places (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    location TEXT NOT NULL,
    UNIQUE (name, location)
) STRICT;

-- What is known of each run of blescan: every seq below next_seq is stored, or was and expired, or lies in a gap.
CREATE TABLE runs (
    id       INTEGER PRIMARY KEY,
    device   INTEGER NOT NULL REFERENCES devices (id),
    run_id   TEXT NOT NULL,
    next_seq INTEGER NOT NULL,
    hash_id  TEXT,
    UNIQUE (device, run_id)
) STRICT;

CREATE TABLE gaps (
    run        INTEGER NOT NULL REFERENCES runs (id),
    from_seq   INTEGER NOT NULL,
    to_seq     INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    noticed_at INTEGER NOT NULL,
    PRIMARY KEY (run, from_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL REFERENCES devices (id),
    run         INTEGER REFERENCES runs (id),
    seq         INTEGER,
    timestamp   INTEGER,              -- the end of the window
    received_at INTEGER NOT NULL,
    clock       INTEGER,              -- 1 synced, 0 unsynced, NULL not told
    place       INTEGER REFERENCES places (id),
    window_ms   INTEGER,
    interval_ms INTEGER,
    oldest      INTEGER,              -- of its detections: where in the table detections they are
    newest      INTEGER
) STRICT;
CREATE INDEX batches_received_at ON batches (received_at);
CREATE INDEX batches_timestamp ON batches (timestamp);

-- SHA-256 of each batch that came without run_id and seq.
CREATE TABLE batch_hashes (
    hash        BLOB NOT NULL PRIMARY KEY,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_hashes_received_at ON batch_hashes (received_at);

CREATE TABLE advertisers (
    id          INTEGER PRIMARY KEY,
    device_hash TEXT NOT NULL UNIQUE,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    detections  INTEGER NOT NULL
) STRICT;

-- Kept in the order of time: a stretch of time is read from one place, and no second copy of it is needed as an index.
CREATE TABLE detections (
    timestamp  INTEGER NOT NULL,
    batch      INTEGER NOT NULL REFERENCES batches (id),
    n          INTEGER NOT NULL,      -- the how-manieth of its batch
    advertiser INTEGER NOT NULL REFERENCES advertisers (id),
    rssi       INTEGER NOT NULL,
    zone       INTEGER NOT NULL,      -- 0 near, 1 medium, 2 far
    count      INTEGER,
    PRIMARY KEY (timestamp, batch, n)
) STRICT, WITHOUT ROWID;

-- The other members of a detection, as JSON.
CREATE TABLE details (
    batch   INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;
)sql";

constexpr char views[] = R"sql(
-- One row for each detection. Filter by timestamp_ms: that is the order on disk.
CREATE VIEW detection_log AS
SELECT devices.device_id, places.name, places.location, advertisers.device_hash, detections.rssi,
       CASE detections.zone WHEN 0 THEN 'near' WHEN 1 THEN 'medium' ELSE 'far' END AS zone,
       strftime('%Y-%m-%dT%H:%M:%fZ', detections.timestamp / 1000.0, 'unixepoch') AS timestamp,
       detections.count, runs.run_id, batches.seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.received_at / 1000.0, 'unixepoch') AS received_at,
       detections.timestamp AS timestamp_ms, details.details
  FROM detections
  JOIN batches ON batches.id = detections.batch
  JOIN devices ON devices.id = batches.device
  JOIN advertisers ON advertisers.id = detections.advertiser
  LEFT JOIN places ON places.id = batches.place
  LEFT JOIN runs ON runs.id = batches.run
  LEFT JOIN details ON details.batch = detections.batch AND details.n = detections.n;

-- One row for each Pi.
CREATE VIEW device_status AS
SELECT devices.device_id, devices.name, devices.location, devices.is_active,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.first_seen / 1000.0, 'unixepoch') AS first_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_seen / 1000.0, 'unixepoch') AS last_seen,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_received / 1000.0, 'unixepoch') AS last_received,
       unixepoch('now') - devices.last_received / 1000 AS silent_s,
       CASE batches.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       runs.run_id, runs.hash_id,
       (SELECT CAST(total(gaps.to_seq - gaps.from_seq + 1) AS INTEGER) FROM gaps JOIN runs AS other ON other.id = gaps.run
         WHERE other.device = devices.id) AS batches_missing
  FROM devices
  LEFT JOIN batches ON batches.id = devices.last_batch
  LEFT JOIN runs ON runs.id = batches.run;

-- Who is where: for each advertiser heard in the last minute, the Pi that heard it best.
CREATE VIEW presence AS
SELECT advertisers.device_hash, devices.device_id, places.name, places.location, max(detections.rssi) AS rssi,
       CASE detections.zone WHEN 0 THEN 'near' WHEN 1 THEN 'medium' ELSE 'far' END AS zone,
       strftime('%Y-%m-%dT%H:%M:%fZ', detections.timestamp / 1000.0, 'unixepoch') AS timestamp
  FROM detections
  JOIN batches ON batches.id = detections.batch
  JOIN devices ON devices.id = batches.device
  JOIN advertisers ON advertisers.id = detections.advertiser
  LEFT JOIN places ON places.id = batches.place
 WHERE detections.timestamp BETWEEN (unixepoch('now') - 60) * 1000 AND (unixepoch('now') + 10) * 1000
 GROUP BY detections.advertiser;

-- What did not arrive: what, from whom, since when, why. A Pi is silent after three of its intervals and five minutes.
CREATE VIEW missing AS
SELECT 'batches' AS what, devices.device_id, devices.name, devices.location, runs.run_id, gaps.from_seq, gaps.to_seq,
       gaps.to_seq - gaps.from_seq + 1 AS batches,
       strftime('%Y-%m-%dT%H:%M:%fZ', gaps.noticed_at / 1000.0, 'unixepoch') AS since, gaps.reason
  FROM gaps
  JOIN runs ON runs.id = gaps.run
  JOIN devices ON devices.id = runs.device
UNION ALL
SELECT 'device', devices.device_id, devices.name, devices.location, NULL, NULL, NULL, NULL,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_received / 1000.0, 'unixepoch'), 'silent'
  FROM devices
  LEFT JOIN batches ON batches.id = devices.last_batch
 WHERE devices.is_active
   AND unixepoch('now') * 1000 - devices.last_received > max(300000, 3 * coalesce(batches.interval_ms, 0));

-- When each Pi's radio was listening: outside of these times, silence is not absence.
CREATE VIEW coverage AS
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', (batches.timestamp - batches.window_ms) / 1000.0, 'unixepoch') AS listened_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.timestamp / 1000.0, 'unixepoch') AS listened_until,
       CASE batches.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       batches.window_ms, batches.interval_ms, batches.timestamp AS timestamp_ms
  FROM batches
  JOIN devices ON devices.id = batches.device
  LEFT JOIN places ON places.id = batches.place
 WHERE batches.timestamp IS NOT NULL AND batches.window_ms IS NOT NULL;
)sql";

}  // namespace ble::schema
