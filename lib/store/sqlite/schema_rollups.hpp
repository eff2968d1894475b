// Version 10 of the database: what is known of five minutes and of days without their detections.
#pragma once

namespace ble::schema {

constexpr char rollups[] = R"sql(
-- Batches whose detections have yet to go into the rollups, by their ids, both inclusive; detections: how many, 0: not known.
CREATE TABLE rollup_due (
    from_batch INTEGER PRIMARY KEY,
    to_batch   INTEGER NOT NULL,
    detections INTEGER NOT NULL
) STRICT;

-- What a Pi heard of an advertiser in five minutes. bucket * 300000 is when they began. place 0: none was told. To find an
-- advertiser, look into rollups_day first, for the days, places and Pis.
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    advertiser INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    detections INTEGER NOT NULL,      -- windows in which it was heard
    reports    INTEGER NOT NULL,      -- the sum of their count; one where that is not told
    strongest  INTEGER NOT NULL,      -- RSSI
    rssi_sum   INTEGER NOT NULL,      -- divided by detections: the mean
    zone       INTEGER NOT NULL,      -- the nearest one
    PRIMARY KEY (bucket, place, advertiser, device)
) STRICT, WITHOUT ROWID;

-- Of each hour, hour * 3600000 is when it began: made of the rollups of a place when these have changed and the input rests; until then
-- the hour is in occupancy_due. first, last: the how-manieth five minutes of it (0 to 11) it was heard in first and last.
CREATE TABLE rollups_hour (
    hour       INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    advertiser INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    detections INTEGER NOT NULL,
    strongest  INTEGER NOT NULL,
    zone       INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    PRIMARY KEY (hour, place, advertiser, device)
) STRICT, WITHOUT ROWID;

-- The same as rollups for each day, by UTC: day * 86400000 is when it began. first, last: the how-manieth five minutes of it (0 to 287) it was
-- heard in first and last.
CREATE TABLE rollups_day (
    day        INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    advertiser INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    detections INTEGER NOT NULL,
    reports    INTEGER NOT NULL,
    strongest  INTEGER NOT NULL,
    rssi_sum   INTEGER NOT NULL,
    zone       INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    PRIMARY KEY (day, place, advertiser, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollups_day_advertiser ON rollups_day (advertiser);

-- At which places each Pi was ever heard of; place 0: at none.
CREATE TABLE device_places (
    device INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    PRIMARY KEY (device, place)
) STRICT, WITHOUT ROWID;

-- Of the batches that have a detection or the end of a window in a day: the store's age when the first and the last of them were stored, and the latest time of
-- receipt. is_whole: all of them are still there. is_cut: some rollups of the day are deleted.
CREATE TABLE rollup_days (
    day         INTEGER PRIMARY KEY,
    first_s     INTEGER NOT NULL,
    last_s      INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    is_whole    INTEGER NOT NULL DEFAULT 1,
    is_cut      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX rollup_days_last ON rollup_days (last_s);
CREATE INDEX rollup_days_first ON rollup_days (first_s);
-- Of their retention: the store's age at which the present hour began, and how many days it may still delete in it.
ALTER TABLE age ADD COLUMN rollup_hour_began_s INTEGER NOT NULL DEFAULT -7200;
ALTER TABLE age ADD COLUMN rollup_hour_left INTEGER NOT NULL DEFAULT 0;

-- How many advertisers were at a place in 5, 60 or 1440 minutes, by the nearest zone; number * minutes * 60000 is when these began.
-- told_…: of windows that tell numbers alone, the greatest one.
CREATE TABLE occupancy_rollups (
    minutes     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    near        INTEGER NOT NULL,
    medium      INTEGER NOT NULL,
    far         INTEGER NOT NULL,
    told_near   INTEGER NOT NULL DEFAULT 0,
    told_medium INTEGER NOT NULL DEFAULT 0,
    told_far    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (minutes, number, place)
) STRICT, WITHOUT ROWID;
-- Which of them are to be counted anew; of 60 minutes, rollups_hour is to be made anew as well.
CREATE TABLE occupancy_due (
    minutes INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    PRIMARY KEY (minutes, number, place)
) STRICT, WITHOUT ROWID;

-- One row for each five minutes, advertiser and Pi. Filter by bucket (milliseconds since 1970, divided by 300000): that is the
-- order on disk.
CREATE VIEW rollup_log AS
SELECT devices.device_id, places.name, places.location, advertisers.device_hash,
       strftime('%Y-%m-%dT%H:%M:%fZ', rollups.bucket * 300, 'unixepoch') AS since, rollups.detections, rollups.reports,
       rollups.strongest, round(1.0 * rollups.rssi_sum / rollups.detections, 1) AS mean,
       CASE rollups.zone WHEN 0 THEN 'near' WHEN 1 THEN 'medium' ELSE 'far' END AS zone, rollups.bucket
  FROM rollups
  JOIN devices ON devices.id = rollups.device
  JOIN advertisers ON advertisers.id = rollups.advertiser
  LEFT JOIN places ON places.id = rollups.place;

-- How many advertisers were at a place, as they were told apart or as the fullest window told. Filter by minutes and since_ms.
CREATE VIEW occupancy_log AS
SELECT occupancy_rollups.minutes, places.name, places.location,
       strftime('%Y-%m-%dT%H:%M:%fZ', occupancy_rollups.number * occupancy_rollups.minutes * 60, 'unixepoch') AS since,
       max(near, told_near) AS near, max(medium, told_medium) AS medium, max(far, told_far) AS far,
       max(near, told_near) + max(medium, told_medium) + max(far, told_far) AS advertisers,
       occupancy_rollups.number * occupancy_rollups.minutes * 60000 AS since_ms
  FROM occupancy_rollups
  LEFT JOIN places ON places.id = occupancy_rollups.place;

-- Stretches are no longer made shorter batch by batch.
DROP INDEX batches_series;
CREATE INDEX batches_told ON batches (timestamp) WHERE near IS NOT NULL;

INSERT INTO rollup_due SELECT min(id), max(id), 0 FROM batches HAVING count(*) > 0;
)sql";

}  // namespace ble::schema
