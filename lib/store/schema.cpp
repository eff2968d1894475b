#include "store/schema.hpp"

#include <string>

#include "base/log.hpp"

namespace ble {
namespace {

// "BLEp" in PRAGMA application_id: file(1) shows it, and no other program's database is taken for ours.
constexpr std::int64_t application_id = 0x424c4570;

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

const std::string first_version = std::string(tables) + views;
const Migration all[] = {{1, "create the tables", first_version.c_str()},
                         {2, "join adjoining windows in the view coverage", joined_windows},
                         {3, "take counts of advertisers without their hashes", occupancy},
                         {4, "tell how old a batch is without the clock", ages},
                         {5, "keep the stretches of the view coverage", stretches},
                         {6, "notice two runs of one device at once", turns}};

std::int64_t version_of(Database &database) {
    return database.integer("PRAGMA user_version").value_or(0);
}

void refuse_newer(Database &database, std::int64_t version, std::int64_t known) {
    if (version <= known) return;
    throw Error(ExitCode::config, "the database " + database.path() + " has version " +
                                      std::to_string(version) + ", this program knows versions up to " +
                                      std::to_string(known) + ": upgrade blepipe");
}

void refuse_foreign(Database &database) {
    // In this order: another process may be creating the tables, and writes its id in the same transaction.
    const auto count = database.count_schema();
    const auto id = database.integer("PRAGMA application_id").value_or(0);
    if (id == application_id || (id == 0 && count == 0)) return;
    throw Error(ExitCode::config, database.path() + " is a database of another program: give another path");
}

std::int64_t count_batches(Database &database) {
    return database.integer("SELECT count(*) FROM batches").value_or(0);
}

// True: one step was made. The version is asked again inside the transaction: two processes may start at once.
bool migrate_once(Database &database, std::span<const Migration> migrations, bool is_new) {
    Transaction transaction(database);
    const auto version = version_of(database);
    refuse_newer(database, version, migrations.back().version);
    for (const auto &step : migrations) {
        if (step.version <= version) continue;
        if (!is_new)
            log_info("database " + database.path() + ": version " + std::to_string(version) + " to " +
                     std::to_string(step.version) + ", " + std::to_string(count_batches(database)) +
                     " batches: " + step.what);
        database.execute(step.sql);
        database.execute(
            "UPDATE state SET epoch = epoch + 1; PRAGMA user_version=" + std::to_string(step.version) +
            "; PRAGMA application_id=" + std::to_string(application_id));
        transaction.commit();
        return true;
    }
    return false;
}

}  // namespace

std::span<const Migration> store_migrations() {
    return all;
}

void check_version(Database &database, std::span<const Migration> migrations) {
    refuse_newer(database, version_of(database), migrations.back().version);
}

void open_schema(Database &database, std::span<const Migration> migrations) {
    refuse_foreign(database);
    check_version(database, migrations);
    // A commit is durable when it returns, also through a power cut. 16 MiB of log before it is copied into the file:
    // pages that change often are then copied once. References document; checking each would cost a look-up a row.
    database.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
        "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-32768; PRAGMA secure_delete=ON;"
        "PRAGMA foreign_keys=OFF");
    const bool is_new = version_of(database) == 0;
    // A step may sort all batches there are, which the memory of a small machine does not hold.
    database.execute("PRAGMA temp_store=FILE");
    while (version_of(database) < migrations.back().version && migrate_once(database, migrations, is_new)) {
    }
    database.execute("PRAGMA temp_store=MEMORY");
}

}  // namespace ble
