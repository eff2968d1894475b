// Version 7 of the database: who sent what, which contents contradict each other, and bounds for what a sender can fill.
#pragma once

namespace ble::schema {

constexpr char senders_and_bounds[] = R"sql(
-- Who sent lines, as their receivers knew it ("key pi-lab-1"). used_s, here and in devices, places and runs: the store's age
-- when the row was last used, to within an hour: never much older than the newest batch that refers to it.
CREATE TABLE senders (
    id     INTEGER PRIMARY KEY,
    sender TEXT NOT NULL UNIQUE,
    used_s INTEGER NOT NULL
) STRICT;
ALTER TABLE batches ADD COLUMN sender INTEGER REFERENCES senders (id);
-- The first 16 bytes of the SHA-256 of the line as its sender wrote it. NULL: stored before that was kept, or named by its hash.
ALTER TABLE batches ADD COLUMN digest BLOB;
CREATE INDEX batches_name ON batches (run, seq);
-- A device's windows in the order of time, with all that is asked of them.
CREATE INDEX batches_series ON batches (device, place, clock, timestamp, window_ms, interval_ms);

ALTER TABLE devices ADD COLUMN last_sender INTEGER REFERENCES senders (id);  -- of its last batch in order of arrival
ALTER TABLE devices ADD COLUMN conflicts INTEGER NOT NULL DEFAULT 0;         -- other contents under a known name
ALTER TABLE devices ADD COLUMN last_conflict INTEGER;
ALTER TABLE devices ADD COLUMN holes INTEGER NOT NULL DEFAULT 0;             -- rows in gaps, of all its runs
ALTER TABLE devices ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE places ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN used_s INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET used_s = (SELECT lived_s FROM age),
       holes = (SELECT count(*) FROM runs JOIN gaps ON gaps.run = runs.id WHERE runs.device = devices.id);
UPDATE places SET used_s = (SELECT lived_s FROM age);
UPDATE runs SET used_s = (SELECT lived_s FROM age);
CREATE INDEX senders_used ON senders (used_s);
CREATE INDEX devices_used ON devices (used_s);
CREATE INDEX places_used ON places (used_s);
CREATE INDEX runs_used ON runs (used_s);

-- Where the detections of a batch are whose times are far apart: it is deleted without reading what lies between.
CREATE TABLE scattered (
    batch     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;

-- One row for each detection. Filter by timestamp_ms: that is the order on disk.
DROP VIEW detection_log;
CREATE VIEW detection_log AS
SELECT devices.device_id, places.name, places.location, advertisers.device_hash, detections.rssi,
       CASE detections.zone WHEN 0 THEN 'near' WHEN 1 THEN 'medium' ELSE 'far' END AS zone,
       strftime('%Y-%m-%dT%H:%M:%fZ', detections.timestamp / 1000.0, 'unixepoch') AS timestamp,
       detections.count, runs.run_id, batches.seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.received_at / 1000.0, 'unixepoch') AS received_at,
       detections.timestamp AS timestamp_ms, details.details, senders.sender
  FROM detections
  JOIN batches ON batches.id = detections.batch
  JOIN devices ON devices.id = batches.device
  JOIN advertisers ON advertisers.id = detections.advertiser
  LEFT JOIN places ON places.id = batches.place
  LEFT JOIN runs ON runs.id = batches.run
  LEFT JOIN senders ON senders.id = batches.sender
  LEFT JOIN details ON details.batch = detections.batch AND details.n = detections.n;

-- When each Pi's radio was listening, window by window. Filter by timestamp_ms.
DROP VIEW windows;
CREATE VIEW windows AS
SELECT devices.device_id, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', (batches.timestamp - batches.window_ms) / 1000.0, 'unixepoch') AS listened_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', batches.timestamp / 1000.0, 'unixepoch') AS listened_until,
       CASE batches.clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS clock,
       batches.window_ms, batches.interval_ms, batches.timestamp AS timestamp_ms, senders.sender
  FROM batches
  JOIN devices ON devices.id = batches.device
  LEFT JOIN places ON places.id = batches.place
  LEFT JOIN senders ON senders.id = batches.sender
 WHERE batches.timestamp IS NOT NULL AND batches.window_ms IS NOT NULL;

-- One row for each Pi. two_at_once: since when two runs have its name at once; empty when none did in the last day.
-- sender: of its last batch in order of arrival. conflicts: how often another content came under a known name.
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
       strftime('%Y-%m-%dT%H:%M:%fZ', two_at_once.since / 1000.0, 'unixepoch') AS two_at_once,
       senders.sender, devices.conflicts,
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_conflict / 1000.0, 'unixepoch') AS last_conflict
  FROM devices
  JOIN last_heard ON last_heard.device = devices.id
  LEFT JOIN runs ON runs.id = last_heard.run
  LEFT JOIN senders ON senders.id = devices.last_sender
  LEFT JOIN two_at_once ON two_at_once.device = devices.id;
)sql";

}  // namespace ble::schema
