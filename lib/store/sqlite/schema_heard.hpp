// Version 11 of the database: RSSI, zone and count of a detection are one number. A column costs a byte in the head of each row besides
// its value: 2.6 of 28 bytes a detection are saved.
#pragma once

namespace ble::schema {

// Before version 11, in which it takes the name of the former one. rssi, zone and count are read as before, and are not stored.
constexpr char packed_detections[] = R"sql(
-- Kept in the order of time: a stretch of time is read from one place, and no second copy of it is needed as an index.
CREATE TABLE IF NOT EXISTS detections_packed (
    timestamp  INTEGER NOT NULL,
    batch      INTEGER NOT NULL REFERENCES batches (id),
    n          INTEGER NOT NULL,      -- the how-manieth of its batch
    advertiser INTEGER NOT NULL REFERENCES advertisers (id),
    heard      INTEGER NOT NULL,      -- ((count + 1) * 4 + zone) * 256 + rssi + 128 - 32768; 0 instead of count + 1 where none is told
    rssi       INTEGER GENERATED ALWAYS AS (((heard + 32768) & 255) - 128) VIRTUAL,
    zone       INTEGER GENERATED ALWAYS AS (((heard + 32768) >> 8) & 3) VIRTUAL,         -- 0 near, 1 medium, 2 far
    count      INTEGER GENERATED ALWAYS AS (nullif((heard + 32768) >> 10, 0) - 1) VIRTUAL,
    PRIMARY KEY (timestamp, batch, n)
) STRICT, WITHOUT ROWID;
)sql";

// All detections of the former table, or, with a limit behind it, so many of the first.
constexpr char pack[] =
    "INSERT INTO detections_packed (timestamp, batch, n, advertiser, heard)"
    " SELECT timestamp, batch, n, advertiser,"
    " ((coalesce(count + 1, 0) << 2 | zone) << 8) + min(max(rssi, -128), 127) + 128 - 32768"
    " FROM detections ORDER BY timestamp, batch, n";
// So many of the first, less one, and a bracket stand behind it. Not by what was packed last: an older build may have stored earlier ones since.
constexpr char erase_packed[] =
    "DELETE FROM detections WHERE (timestamp, batch, n) <="
    " (SELECT timestamp, batch, n FROM detections ORDER BY timestamp, batch, n LIMIT 1 OFFSET ";

// The views of the former table are those of the new one.
constexpr char use_packed[] = R"sql(
; PRAGMA legacy_alter_table = ON;
DROP TABLE detections;
ALTER TABLE detections_packed RENAME TO detections;
PRAGMA legacy_alter_table = OFF;
)sql";

}  // namespace ble::schema
