// Version 2 of the schema: what is known of five minutes and of days without their detections.
#pragma once

namespace ble::postgres_schema {

// The tables are those of SQLite (lib/store/sqlite/schema_rollups.hpp), which says what their columns mean. Who writes with an earlier version
// is waited for: what is stored then is known here.
constexpr char rollups[] = R"sql(
SELECT pg_advisory_xact_lock(1112294768, 2);

CREATE TABLE rollup_due (
    from_batch bigint PRIMARY KEY,
    to_batch   bigint NOT NULL,
    detections bigint NOT NULL
);

CREATE TABLE rollups (
    bucket     bigint NOT NULL,
    place      bigint NOT NULL,
    advertiser bigint NOT NULL,
    device     bigint NOT NULL,
    reports    bigint NOT NULL,
    rssi_sum   bigint NOT NULL,
    detections integer NOT NULL,
    strongest  smallint NOT NULL,
    zone       smallint NOT NULL,
    PRIMARY KEY (bucket, place, advertiser, device)
) WITH (fillfactor = 80);

CREATE TABLE rollups_hour (
    advertiser bigint NOT NULL,
    hour       integer NOT NULL,
    place      integer NOT NULL,
    device     integer NOT NULL,
    detections integer NOT NULL,
    strongest  smallint NOT NULL,
    zone       smallint NOT NULL,
    first      smallint NOT NULL,
    last       smallint NOT NULL,
    PRIMARY KEY (hour, place, advertiser, device)
);

CREATE TABLE rollups_day (
    day        bigint NOT NULL,
    place      bigint NOT NULL,
    advertiser bigint NOT NULL,
    device     bigint NOT NULL,
    reports    bigint NOT NULL,
    rssi_sum   bigint NOT NULL,
    detections integer NOT NULL,
    strongest  smallint NOT NULL,
    zone       smallint NOT NULL,
    first      smallint NOT NULL,
    last       smallint NOT NULL,
    PRIMARY KEY (day, place, advertiser, device)
) WITH (fillfactor = 80);
CREATE INDEX rollups_day_advertiser ON rollups_day (advertiser);

CREATE TABLE device_places (
    device bigint NOT NULL,
    place  bigint NOT NULL,
    PRIMARY KEY (device, place)
);

CREATE TABLE rollup_days (
    day         bigint PRIMARY KEY,
    first_s     bigint NOT NULL,
    last_s      bigint NOT NULL,
    received_at bigint NOT NULL,
    is_whole    integer NOT NULL DEFAULT 1,
    is_cut      integer NOT NULL DEFAULT 0
);
CREATE INDEX rollup_days_last ON rollup_days (last_s);
CREATE INDEX rollup_days_first ON rollup_days (first_s);
ALTER TABLE age ADD COLUMN rollup_hour_began_s bigint NOT NULL DEFAULT -7200;
ALTER TABLE age ADD COLUMN rollup_hour_left bigint NOT NULL DEFAULT 0;

CREATE TABLE occupancy_rollups (
    minutes     bigint NOT NULL,
    number      bigint NOT NULL,
    place       bigint NOT NULL,
    near        bigint NOT NULL,
    medium      bigint NOT NULL,
    far         bigint NOT NULL,
    told_near   bigint NOT NULL DEFAULT 0,
    told_medium bigint NOT NULL DEFAULT 0,
    told_far    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minutes, number, place)
) WITH (fillfactor = 80);
CREATE TABLE occupancy_due (
    minutes bigint NOT NULL,
    number  bigint NOT NULL,
    place   bigint NOT NULL,
    PRIMARY KEY (minutes, number, place)
);

-- Also those of whom only rollups are left.
CREATE OR REPLACE VIEW advertisers AS
SELECT totals.id, totals.device_hash, least(totals.first_seen, news.first) AS first_seen,
       newer(totals.last_seen, news.last, news.received_at) AS last_seen,
       totals.detections + coalesce(news.count, 0) AS detections
  FROM advertiser_totals AS totals
  LEFT JOIN sum_news((SELECT array_agg(advertiser_news) FROM advertiser_news)) AS news ON news.advertiser = totals.id
 WHERE totals.detections + coalesce(news.count, 0) > 0
    OR EXISTS (SELECT 1 FROM rollups_day WHERE rollups_day.advertiser = totals.id);

CREATE VIEW rollup_log AS
SELECT devices.device_id, places.name, places.location, advertiser_totals.device_hash, iso(rollups.bucket * 300000) AS since,
       rollups.detections, rollups.reports, rollups.strongest, round(1.0 * rollups.rssi_sum / rollups.detections, 1) AS mean,
       CASE rollups.zone WHEN 0 THEN 'near' WHEN 1 THEN 'medium' ELSE 'far' END AS zone, rollups.bucket
  FROM rollups
  JOIN devices ON devices.id = rollups.device
  JOIN advertiser_totals ON advertiser_totals.id = rollups.advertiser
  LEFT JOIN places ON places.id = rollups.place;

CREATE VIEW occupancy_log AS
SELECT occupancy_rollups.minutes, places.name, places.location,
       iso(occupancy_rollups.number * occupancy_rollups.minutes * 60000) AS since,
       greatest(near, told_near) AS near, greatest(medium, told_medium) AS medium, greatest(far, told_far) AS far,
       greatest(near, told_near) + greatest(medium, told_medium) + greatest(far, told_far) AS advertisers,
       occupancy_rollups.number * occupancy_rollups.minutes * 60000 AS since_ms
  FROM occupancy_rollups
  LEFT JOIN places ON places.id = occupancy_rollups.place;

DROP INDEX batches_series;
CREATE INDEX batches_told ON batches (timestamp) WHERE near IS NOT NULL;

INSERT INTO rollup_due SELECT min(id), max(id), 0 FROM batches HAVING count(*) > 0;
)sql";

}  // namespace ble::postgres_schema
