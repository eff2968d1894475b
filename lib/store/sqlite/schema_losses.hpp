// Versions 8 and 9 of the database: which program each Pi runs, and when what is missing was.
#pragma once

namespace ble::schema {

constexpr char programs[] = R"sql(
-- Of its last batch in order of arrival: the version of the program that made it, if it says so.
ALTER TABLE devices ADD COLUMN last_version TEXT;

-- One row for each Pi. two_at_once: since when two runs have its name at once; empty when none did in the last day.
-- sender, version: of its last batch in order of arrival. conflicts: how often another content came under a known name.
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
       strftime('%Y-%m-%dT%H:%M:%fZ', devices.last_conflict / 1000.0, 'unixepoch') AS last_conflict, devices.last_version AS version
  FROM devices
  JOIN last_heard ON last_heard.device = devices.id
  LEFT JOIN runs ON runs.id = last_heard.run
  LEFT JOIN senders ON senders.id = devices.last_sender
  LEFT JOIN two_at_once ON two_at_once.device = devices.id;
)sql";

constexpr char lost_times[] = R"sql(
-- Between which times the windows of a hole were, by the Pi's clock: as a gap line told it, else as the batches beside it
-- leave it; NULL: not known. lost_clock: 1 synced at both ends, 0 not, or they are in the wrong order, NULL not told.
ALTER TABLE gaps ADD COLUMN lost_from INTEGER;
ALTER TABLE gaps ADD COLUMN lost_to INTEGER;
ALTER TABLE gaps ADD COLUMN lost_clock INTEGER;
-- The end of the last window that is known of, and its clock; from which seq on the ends of holes are not known yet.
ALTER TABLE runs ADD COLUMN last_end INTEGER;
ALTER TABLE runs ADD COLUMN last_clock INTEGER;
ALTER TABLE runs ADD COLUMN open_from INTEGER;

UPDATE gaps SET (lost_from, lost_clock) = (
    SELECT timestamp, clock FROM batches
     WHERE batches.run = gaps.run AND seq < from_seq AND timestamp IS NOT NULL ORDER BY seq DESC LIMIT 1);
UPDATE gaps SET (lost_to, lost_clock) = (
    SELECT max(timestamp - coalesce(window_ms, 0), 0),
           CASE WHEN lost_from IS NULL THEN clock WHEN lost_from > timestamp - coalesce(window_ms, 0) THEN 0
                WHEN lost_clock = 0 OR clock = 0 THEN 0 WHEN lost_clock = 1 AND clock = 1 THEN 1 END
      FROM batches WHERE batches.run = gaps.run AND seq > to_seq AND timestamp IS NOT NULL ORDER BY seq LIMIT 1)
 WHERE EXISTS (SELECT 1 FROM batches WHERE batches.run = gaps.run AND seq > to_seq AND timestamp IS NOT NULL);
UPDATE runs SET (last_end, last_clock) = (
    SELECT timestamp, clock FROM batches WHERE batches.run = runs.id AND timestamp IS NOT NULL ORDER BY seq DESC LIMIT 1),
    open_from = (SELECT min(from_seq) FROM gaps WHERE gaps.run = runs.id AND lost_to IS NULL);

-- What did not arrive: what, from whom, since when it is known, why, and when it was; the latest first. A Pi is silent after
-- three of its intervals and five minutes. Of two at once, neither is seen to be silent. The times become text outside, after
-- the rows are in order: of the first few of many holes, theirs alone.
DROP VIEW missing;
CREATE VIEW missing AS
SELECT what, device_id, name, location, strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') AS since, reason, batches,
       run_id, from_seq, to_seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', lost_from_ms / 1000.0, 'unixepoch') AS lost_from,
       strftime('%Y-%m-%dT%H:%M:%fZ', lost_to_ms / 1000.0, 'unixepoch') AS lost_to,
       CASE lost_clock WHEN 1 THEN 'synced' WHEN 0 THEN 'unsynced' END AS lost_clock
  FROM (
    SELECT 'batches' AS what, devices.device_id, devices.name, devices.location, gaps.noticed_at AS since_ms, gaps.reason,
           gaps.to_seq - gaps.from_seq + 1 AS batches, runs.run_id, gaps.from_seq, gaps.to_seq, gaps.lost_from AS lost_from_ms,
           gaps.lost_to AS lost_to_ms, gaps.lost_clock
      FROM gaps
      JOIN runs ON runs.id = gaps.run
      JOIN devices ON devices.id = runs.device
    UNION ALL
    SELECT 'device', devices.device_id, devices.name, devices.location, last_heard.heard_ms, 'silent', NULL, NULL, NULL, NULL, NULL,
           NULL, NULL
      FROM devices
      JOIN last_heard ON last_heard.device = devices.id
     WHERE devices.is_active
       AND coalesce(unixepoch('now') * 1000 - last_heard.heard_ms > max(300000, 3 * coalesce(last_heard.interval_ms, 0)), 1)
    UNION ALL
    SELECT 'device', devices.device_id, devices.name, devices.location, two_at_once.since, 'two at once', NULL, runs.run_id, NULL,
           NULL, NULL, NULL, NULL
      FROM two_at_once
      JOIN devices ON devices.id = two_at_once.device
      JOIN runs ON runs.id = two_at_once.other
     WHERE devices.is_active)
 ORDER BY since_ms DESC, device_id;
)sql";

}  // namespace ble::schema
