// The SQLite store: the suite, and what only it does.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/log.hpp"
#include "catch.hpp"
#include "file_limit.hpp"
#include "sqlite/database.hpp"
#include "sqlite_file.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/schema_heard.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;

namespace {

StoreUnderTest open_sqlite(const Folder &folder) {
    static int number = 0;
    const std::string path = folder.path / ("store-" + std::to_string(++number) + ".db");
    return {make_store(path), [path] { return make_store(path); },
            [path](const std::string &sql) { return rows_of(path, sql); },
            [] { return std::make_shared<FileLimit>(0); }};
}

const Time received = at("2026-11-22T12:00:00Z");

template <class Body>
ExitCode code_of(Body body) {
    try {
        body();
    } catch (const Error &error) {
        return error.code();
    }
    return ExitCode::ok;
}

}  // namespace

TEST_CASE("the SQLite store does what every store must do") {
    const Folder folder;
    run_store_suite([&] { return open_sqlite(folder); });
}

TEST_CASE("every reference in the SQLite store leads somewhere") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    Lines().batch(make_batch(0)).batch(make_batch(5)).store(*test.store, received);
    CHECK(test.rows("PRAGMA foreign_key_check").empty());
    CHECK(test.rows("PRAGMA integrity_check") == Rows{"ok"});
    CHECK(test.rows("PRAGMA journal_mode") == Rows{"wal"});
}

TEST_CASE("a line that breaks a rule in the store is refused alone") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    const auto rule = [&](const std::string &how) {
        test.rows("CREATE TRIGGER rule BEFORE INSERT ON batches WHEN NEW.seq % 3 = 1 BEGIN SELECT RAISE(" +
                  how + ", 'not that one'); END");
    };
    const auto check = [&] {
        Lines lines;
        for (std::uint64_t seq = 0; seq < 6; ++seq) lines.batch(make_batch(seq));
        const auto result = lines.store(*test.store, received);
        CHECK(kinds(result) == "srssrs");
        CHECK(result.outcomes[1].reason.find("not that one") != std::string::npos);
        CHECK(test.rows("SELECT seq FROM batches ORDER BY seq") == Rows{"0", "2", "3", "5"});
        CHECK(test.rows("SELECT detections FROM advertisers") == Rows{"4", "4"});
        CHECK(test.rows("SELECT from_seq, to_seq, reason FROM gaps") == Rows{"1|1|rejected", "4|4|rejected"});
        REQUIRE(result.holes.size() == 2);
        CHECK(result.holes[1].from_seq == 4);
        CHECK(result.holes[1].reason == "rejected");
    };
    SECTION("and undone alone") {
        rule("ABORT");
        check();
    }
    SECTION("even when it takes the whole transaction with it") {
        rule("ROLLBACK");
        check();
    }
    SECTION("also when its hole may not be labelled either") {
        const std::string how = GENERATE(as<std::string>{}, "ABORT", "ROLLBACK");
        rule("ABORT");
        test.rows(
            "CREATE TRIGGER no_label BEFORE INSERT ON gaps WHEN NEW.reason = 'rejected' BEGIN SELECT RAISE(" +
            how + ", 'no'); END");
        Lines lines;
        for (std::uint64_t seq = 0; seq < 6; ++seq) lines.batch(make_batch(seq));
        CHECK(kinds(lines.store(*test.store, received)) == "srssrs");
        CHECK(test.rows("SELECT from_seq, to_seq, reason FROM gaps") == Rows{"1|1|missing", "4|4|missing"});
    }
    SECTION("also when it would pass over the row in silence") {
        test.rows(
            "CREATE TRIGGER rule BEFORE INSERT ON batches WHEN NEW.seq % 3 = 1 BEGIN SELECT RAISE(IGNORE); "
            "END");
        Lines lines;
        for (std::uint64_t seq = 0; seq < 6; ++seq) lines.batch(make_batch(seq));
        CHECK(kinds(lines.store(*test.store, received)) == "srssrs");
        CHECK(test.rows("SELECT count(*), count(DISTINCT batch) FROM detections") == Rows{"8|4"});
        for (const std::string table : {"devices", "places", "runs", "advertisers"}) {
            test.rows("CREATE TRIGGER rule_" + table + " BEFORE INSERT ON " + table +
                      " BEGIN SELECT RAISE(IGNORE); END");
            Batch refused = make_batch(0);
            if (table == "devices") refused.device_id = "pi-2";
            if (table == "places") refused.name = "elsewhere";
            if (table == "runs") refused.position->run_id = "other";
            if (table == "advertisers") refused = make_batch(6, 3);
            refused.position->seq = 6;
            CHECK(kinds(Lines().batch(refused).store(*test.store, received)) == "r");
        }
    }
    SECTION("also in the midst of its detections, of which none stays") {
        test.rows(
            "CREATE TRIGGER rule BEFORE INSERT ON details WHEN NEW.details LIKE '%no%' BEGIN SELECT "
            "RAISE(ABORT, "
            "'x'); END");
        Batch refused = make_batch(1, 3);
        refused.detections[1].details = R"({"x":"no"})";
        CHECK(kinds(Lines()
                        .batch(make_batch(0))
                        .batch(refused)
                        .batch(make_batch(2))
                        .store(*test.store, received)) == "srs");
        CHECK(test.rows("SELECT count(*), count(DISTINCT batch) FROM detections") == Rows{"4|2"});
        CHECK(test.rows("PRAGMA foreign_key_check").empty());
    }
    SECTION("also when the rule is about a device or an advertiser") {
        test.rows(
            "CREATE TRIGGER rule BEFORE UPDATE ON devices WHEN NEW.name = 'no' BEGIN SELECT RAISE(ABORT, "
            "'x'); END");
        Batch refused = make_batch(2);
        refused.name = "no";
        CHECK(kinds(Lines()
                        .batch(make_batch(0))
                        .batch(make_batch(1))
                        .batch(refused)
                        .store(*test.store, received)) == "ssr");
        CHECK(kinds(Lines().batch(make_batch(3)).store(*test.store, received)) == "s");
    }
}

TEST_CASE("trouble changes nothing, and the same lines are stored later") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    Lines().batch(make_batch(0)).store(*test.store, received);
    Lines lines;
    for (std::uint64_t seq = 1; seq < 40; ++seq) lines.batch(make_batch(seq, 60));
    Batch unnamed = make_batch(1);
    unnamed.position.reset();
    lines.batch(unnamed, "unnamed");
    Database other(test.rows("SELECT file FROM pragma_database_list").at(0));
    {
        Transaction lock(other);
        CHECK_THROWS_AS(lines.store(*test.store, received), StoreTrouble);
    }
    CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"1"});
    CHECK(kinds(lines.store(*test.store, received)) == std::string(40, 's'));
    CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"41"});
    CHECK(test.rows("SELECT count(*), sum(detections) FROM advertisers") == Rows{"60|2344"});
    CHECK(test.rows("SELECT count(*) FROM gaps") == Rows{"0"});
}

TEST_CASE("a database that was deleted while in use ends the work") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    std::filesystem::remove(test.rows("SELECT file FROM pragma_database_list").at(0));
    CHECK(code_of([&] { Lines().batch(make_batch(0)).store(*test.store, received); }) == ExitCode::io);
}

TEST_CASE("deleted rows leave no trace in the files") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    const std::string path = test.rows("SELECT file FROM pragma_database_list").at(0);
    for (std::uint64_t seq = 0; seq < 50; ++seq)
        Lines().batch(make_batch(seq, 50)).store(*test.store, received);
    const auto holds_hash = [&] {
        for (const char *suffix : {"", "-wal"}) {
            std::ifstream file(path + suffix, std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(file), {}};
            for (int i = 0; i < 50; ++i)
                if (bytes.find(hash_of(i)) != std::string::npos) return true;
        }
        return false;
    };
    CHECK(holds_hash());
    const auto retain = [&] {
        expire(*test.store, std::chrono::seconds(1), received + std::chrono::days(1));
    };
    SECTION("at once") {
        retain();
    }
    SECTION("or as soon as no reader needs them any more") {
        {
            Database reader(path);
            reader.execute("BEGIN");
            CHECK(reader.integer("SELECT count(*) FROM batches") == 50);
            retain();
            CHECK(holds_hash());
        }
        retain();
    }
    CHECK_FALSE(holds_hash());
}

TEST_CASE("a step of retention passes over much of the table once only") {
    // Of batches that were stored before it was kept where their detections are.
    const Folder folder;
    const auto test = open_sqlite(folder);
    Lines lines;
    for (std::uint64_t seq = 0; seq < 3; ++seq) {
        Batch batch = make_batch(seq);
        batch.detections[0].timestamp = at("1970-01-01T00:00:00Z");
        lines.batch(batch);
    }
    lines.store(*test.store, received);
    test.rows("DELETE FROM scattered");
    CHECK(test.store->retain(std::chrono::seconds(1), clocks_at(received + std::chrono::days(1))).more);
    CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"2"});
    CHECK(test.rows("SELECT count(*) FROM detections") == Rows{"4"});
}

TEST_CASE("a batch that was stored before digests were kept contradicts nothing") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    Lines().batch(make_batch(0), "one").store(*test.store, received);
    CHECK(kinds(Lines().batch(make_batch(0), "two").store(*test.store, received)) == "c");
    CHECK(test.rows("SELECT length(digest) FROM batches") == Rows{"16"});
    test.rows("UPDATE batches SET digest = NULL");
    CHECK(kinds(Lines().batch(make_batch(0), "two").store(*test.store, received)) == "d");
}

TEST_CASE("a device has a bounded number of holes") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    Lines().batch(make_batch(0)).batch(make_batch(10)).store(*test.store, received);
    CHECK(test.rows("SELECT holes FROM devices") == Rows{"1"});
    test.rows("UPDATE devices SET holes = 99999");
    Batch other = make_batch(2);
    other.device_id = "pi-2";
    // One more, by a batch in the hole; none more, by any line; but what makes none is stored.
    const auto result = Lines()
                            .batch(make_batch(5))
                            .batch(make_batch(3))
                            .batch(make_batch(12))
                            .gap({"pi-1", "run", 12, 12, "refused"})
                            .gap({"pi-1", "run", 2, 2, "refused"})
                            .batch(other)
                            .batch(make_batch(11))
                            .batch(make_batch(4))
                            .store(*test.store, received);
    CHECK(kinds(result) == "srrrrsss");
    CHECK(result.outcomes[1].reason.find("this device has 100000 holes in its sequence numbers already") ==
          0);
    CHECK(
        test.rows("SELECT from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = run WHERE device = 1") ==
        Rows{"1|3|missing", "6|9|missing"});
    CHECK(test.rows("SELECT next_seq FROM runs WHERE device = 1") == Rows{"12"});
    // As holes close, there is room again.
    for (std::uint64_t seq : {1U, 2U, 3U}) Lines().batch(make_batch(seq)).store(*test.store, received);
    CHECK(test.rows("SELECT holes FROM devices WHERE id = 1") == Rows{"99999"});
    CHECK(kinds(Lines().batch(make_batch(13)).store(*test.store, received)) == "s");
}

TEST_CASE("several processes may create one database at once") {
    const Folder folder;
    std::atomic<int> refused = 0;
    for (int round = 0; round < 50; ++round) {
        const std::string path = folder.path / (std::to_string(round) + ".db");
        const auto open = [&] {
            bool trouble = true;
            while (trouble) {
                try {
                    trouble = false;
                    make_store(path);
                } catch (const StoreTrouble &) {
                    trouble = true;  // locked: what bleingest tries again
                } catch (const Error &) {
                    ++refused;
                }
            }
        };
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) threads.emplace_back(open);
        for (auto &thread : threads) thread.join();
    }
    CHECK(refused == 0);
}

TEST_CASE("views ask for a stretch of time without reading the whole table") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    for (const std::string query :
         {"detection_log WHERE timestamp_ms >= 1",
          "detection_log WHERE timestamp_ms >= 1 AND device_id = 'pi-1'", "presence",
          "windows WHERE timestamp_ms >= 1", "device_status", "missing", "coverage"}) {
        INFO(query);
        for (const auto &step : test.rows("EXPLAIN QUERY PLAN SELECT * FROM " + query)) {
            INFO(step);
            CHECK(step.find("SCAN detections") == std::string::npos);
            CHECK(step.find("SCAN batches") == std::string::npos);
            CHECK(step.find("SCAN advertisers") == std::string::npos);
        }
    }
}

TEST_CASE("coverage costs as much as is asked for") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    for (const std::string query : {"coverage LIMIT 5", "coverage WHERE device_id = 'pi-1'",
                                    "coverage WHERE until_ms >= 1 AND from_ms <= 2"}) {
        INFO(query);
        std::string plan;
        for (const auto &step : test.rows("EXPLAIN QUERY PLAN SELECT * FROM " + query)) plan += step + "\n";
        INFO(plan);
        CHECK(plan.find("batches") == std::string::npos);
        CHECK(plan.find("SCAN stretches") == std::string::npos);
        CHECK(plan.find("TEMP B-TREE") ==
              std::string::npos);  // the latest are found without sorting the others
        if (query.find("until_ms") != std::string::npos)
            CHECK(plan.find("(device=? AND last>?)") != std::string::npos);
    }
}

TEST_CASE("coverage is the same in whatever order windows come") {
    // What the rows of the table batches say, by comparing each window with the one before it.
    const std::string truth =
        "WITH each AS (SELECT *, timestamp - lag(timestamp) OVER series AS since_last FROM batches"
        " WINDOW series AS (PARTITION BY device, place, clock ORDER BY timestamp)),"
        " numbered AS (SELECT *, sum(since_last IS NULL OR since_last > 45000) OVER series AS stretch FROM "
        "each"
        " WINDOW series AS (PARTITION BY device, place, clock ORDER BY timestamp))"
        " SELECT device, coalesce(place, 0), coalesce(clock, -1), min(timestamp), min(timestamp - window_ms),"
        " max(timestamp), count(*), sum(window_ms), 45000 FROM numbered"
        " GROUP BY device, place, clock, stretch ORDER BY 1, 2, 3, 4";
    const std::string kept =
        "SELECT device, place, clock, first, begin, last, windows, listened_ms, reach FROM stretches"
        " ORDER BY 1, 2, 3, 4";
    std::mt19937 chance(GENERATE(1U, 2U, 3U, 4U));
    const auto one_in = [&](unsigned n) { return chance() % n == 0; };
    std::vector<Batch> batches;
    for (std::uint64_t seq = 0; seq < 300; ++seq) {
        Batch batch = make_batch(seq, 0);
        batch.device_id = one_in(2) ? "pi-1" : "pi-2";
        batch.timestamp = at("2026-11-22T06:00:00Z") + std::chrono::seconds(30 * seq / 2);
        if (seq / 40 % 2 == 1) batch.location = "Cellar";
        if (seq / 60 % 3 == 1) batch.clock_synced = false;
        if (seq / 60 % 3 == 2) batch.clock_synced.reset();
        if (seq > 250) batch.name.reset(), batch.location.reset();
        batch.window_ms = 1000 + chance() % 9000;
        if (!one_in(4)) batches.push_back(batch);
    }
    const bool in_order = GENERATE(true, false);
    if (!in_order) std::shuffle(batches.begin(), batches.end(), chance);
    const Folder folder;
    const auto test = open_sqlite(folder);
    const auto other = test.again();
    Time time = received;
    for (std::size_t i = 0; i < batches.size(); time += std::chrono::seconds(1)) {
        Lines lines;
        for (auto left = 1 + chance() % 20; left > 0 && i < batches.size(); --left) lines.batch(batches[i++]);
        lines.store(one_in(2) ? *test.store : *other, time);
        CHECK(test.rows(kept) == test.rows(truth));
    }
}

TEST_CASE("a database of version 1 is brought forward, with what it holds") {
    const Folder folder;
    const std::string path = folder.path / "a.db";
    set_log_level(LogLevel::error);
    {
        Database database(path);
        open_schema(database, store_migrations().first(1));
        database.execute(
            "INSERT INTO devices (id, device_id, last_received) VALUES (1, 'pi-1', 0);"
            "INSERT INTO runs VALUES (1, 1, 'run', 3, NULL);"
            "INSERT INTO gaps VALUES (1, 0, 0, 'buffer_full', 5000);"
            "INSERT INTO batches (device, run, seq, timestamp, received_at, window_ms, interval_ms)"
            " VALUES (1, 1, 1, 60000, 60000, 10000, 30000), (1, 1, 2, 90000, 90000, 10000, 30000)");
    }
    CHECK(rows_of(path, "PRAGMA user_version") == Rows{"1"});
    CHECK(rows_of(path, "SELECT count(*) FROM coverage") == Rows{"2"});
    const auto store = make_store(path);
    set_log_level(LogLevel::info);
    CHECK(rows_of(path, "PRAGMA user_version") == Rows{"11"});
    CHECK(rows_of(path, "SELECT listened_from, listened_until, windows, listened_s FROM coverage") ==
          Rows{"1970-01-01T00:00:50.000Z|1970-01-01T00:01:30.000Z|2|20.0"});
    CHECK(rows_of(path, "SELECT count(*) FROM windows") == Rows{"2"});
    CHECK(rows_of(path, "SELECT what, since, reason FROM missing") ==
          Rows{"batches|1970-01-01T00:00:05.000Z|buffer_full", "device|1970-01-01T00:00:00.000Z|silent"});
    CHECK(rows_of(path, "SELECT count(*) FROM occupancy") == Rows{"0"});
    CHECK(rows_of(path, "SELECT holes, conflicts FROM devices") == Rows{"1|0"});
    Batch known = make_batch(1), next = make_batch(3);
    CHECK(kinds(Lines().batch(known).batch(next).store(*store, received)) == "ds");
    // Nobody knows how long its batches were there: they are as young as can be, and it is told of.
    CHECK(store->retain(std::chrono::hours(24), clocks_at(received + std::chrono::hours(20))).held_back);
    CHECK(rows_of(path, "SELECT count(*) FROM batches") == Rows{"3"});
    CHECK(store->retain(std::chrono::hours(24), clocks_at(received + std::chrono::hours(25))).batches == 3);
}

TEST_CASE("a database of version 3 keeps its coverage, which then goes on") {
    const Folder folder;
    const std::string path = folder.path / "a.db";
    const std::string columns =
        "SELECT device_id, name, location, listened_from, listened_until, windows, listened_s, clock FROM "
        "coverage";
    set_log_level(LogLevel::error);
    {
        Database database(path);
        open_schema(database, store_migrations().first(3));
        database.execute(
            "INSERT INTO devices (id, device_id, last_received) VALUES (1, 'pi-1', 0), (2, 'pi-2', 0);"
            "INSERT INTO places VALUES (1, 'Lab', '2nd floor'), (2, 'Lab', 'Cellar');"
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500)"
            " INSERT INTO batches (device, timestamp, received_at, clock, place, window_ms, interval_ms)"
            " SELECT 1 + n % 2, n * 15000 + n / 50 * 100000, 0, iif(n < 400, n / 100 % 2, NULL),"
            " iif(n < 300, 1 + n / 120 % 2, NULL), iif(n % 37, 10000 + n, NULL), iif(n < 450, 30000, NULL) "
            "FROM n");
    }
    const auto before = rows_of(path, columns);
    CHECK(before.size() > 20);
    const auto store = make_store(path);
    set_log_level(LogLevel::info);
    CHECK(rows_of(path, columns) == before);
    Batch next = make_batch(0);
    next.name.reset();
    next.location.reset();
    next.clock_synced.reset();
    next.interval_ms = 30'000;
    next.timestamp = Time(std::chrono::milliseconds(500 * 15'000 + 10 * 100'000 + 30'000));
    Lines().batch(next).store(*store, received);
    CHECK(rows_of(path, columns).size() == before.size());
    CHECK(rows_of(path, "SELECT sum(windows) FROM coverage") ==
          rows_of(path, "SELECT count(*) FROM windows"));
}

TEST_CASE("a database of version 7 knows no version of a program until the next batch") {
    const Folder folder;
    const std::string path = folder.path / "a.db";
    set_log_level(LogLevel::error);
    {
        Database database(path);
        open_schema(database, store_migrations().first(7));
        database.execute(
            "INSERT INTO devices (id, device_id, last_received) VALUES (1, 'pi-1', 0), (2, 'pi-2', 0)");
    }
    const auto store = make_store(path);
    set_log_level(LogLevel::info);
    CHECK(rows_of(path, "SELECT count(*) FROM device_status WHERE version IS NULL") == Rows{"2"});
    Batch next = make_batch(0);
    next.version = "0.1.0";
    Lines().batch(next).store(*store, received);
    CHECK(rows_of(path, "SELECT device_id, version FROM device_status ORDER BY 1") ==
          Rows{"pi-1|0.1.0", "pi-2|"});
}

TEST_CASE("a database of version 10 keeps its detections, in fewer bytes") {
    const Folder folder;
    const std::string path = folder.path / "a.db";
    const std::string all =
        "SELECT device_hash, rssi, zone, timestamp_ms, count, seq, details FROM detection_log"
        " ORDER BY timestamp_ms, seq, device_hash, rssi, zone, count";
    const std::string sums =
        "SELECT count(*), sum(timestamp), sum(batch * n), sum(advertiser), sum(rssi * n), sum(zone * n), "
        "sum(count), count(count) FROM detections";
    set_log_level(LogLevel::error);
    {
        // Each RSSI, each zone and each kind of count, at many times, also before 1970; to be moved in several steps.
        Database database(path);
        open_schema(database, store_migrations().first(10));
        database.execute(
            "INSERT INTO devices (id, device_id, last_received) VALUES (1, 'pi-1', 0);"
            "INSERT INTO runs (id, device, run_id, next_seq) VALUES (1, 1, 'run', 3);"
            "INSERT INTO batches (device, run, seq, timestamp, received_at)"
            " VALUES (1, 1, 1, 60000, 60000), (1, 1, 2, 90000, 90000);"
            "INSERT INTO advertisers VALUES (1, 'aa', 0, 0, 125000), (2, 'bb', 0, 0, 125001);"
            "WITH RECURSIVE each (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM each WHERE i < 250000)"
            " INSERT INTO detections SELECT i * 7 % 10007 * 1000 - 5000000, 1 + i % 2, i, 1 + i / 2 % 2,"
            " i % 148 - 127, i % 3, CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 62"
            " WHEN 4 THEN 63 WHEN 5 THEN 70000 ELSE 4294967295 END FROM each;"
            "INSERT INTO details VALUES (1, 4, '{\"a\":1}')");
    }
    const auto before = rows_of(path, all), sums_before = rows_of(path, sums);
    REQUIRE(before.size() == 250'001);
    SECTION("at once") {}
    SECTION("also after it was stopped, and the older build went on") {
        Database database(path);
        database.execute(schema::packed_detections);
        database.execute(schema::pack + std::string(" LIMIT 120000"));
        database.execute(schema::erase_packed + std::string("119999)"));
        CHECK(database.integer("SELECT count(*) FROM detections") == 130'001);
        // Stored meanwhile, at times before those that are moved already.
        database.execute(
            "INSERT INTO detections SELECT timestamp, batch, n, advertiser, rssi, zone, count"
            " FROM detections_packed WHERE n % 16 <> 0; DELETE FROM detections_packed WHERE n % 16 <> 0");
    }
    make_store(path).reset();
    set_log_level(LogLevel::info);
    CHECK(rows_of(path, "PRAGMA user_version") == Rows{"11"});
    CHECK(rows_of(path, sums) == sums_before);
    CHECK((rows_of(path, all) == before));
    CHECK(rows_of(path, "SELECT name FROM sqlite_schema WHERE name LIKE '%packed%'").empty());
    CHECK(rows_of(path, "PRAGMA integrity_check") == Rows{"ok"});
}

TEST_CASE("no numbers of batches break a view") {
    const Folder folder;
    const auto test = open_sqlite(folder);
    Batch last = make_batch(0);
    last.position->seq = (std::uint64_t{1} << 53) - 1;
    Lines lines;
    for (int run = 0; run < 1100; ++run) {
        last.position->run_id = std::to_string(run);
        lines.batch(last);
    }
    lines.store(*test.store, received);
    CHECK(test.rows("SELECT count(*) FROM device_status WHERE batches_missing > 0") == Rows{"1"});
}

TEST_CASE("the store is chosen by its name") {
    CHECK(why_no_store("ble.db").empty());
    CHECK(why_no_store(":memory:").empty());
    CHECK_FALSE(why_no_store("").empty());
    const std::string password = why_no_store("postgresql://user:secret@host/db");
    CHECK(password.find("postgresql") != std::string::npos);
    CHECK(password.find("secret") == std::string::npos);
    CHECK(code_of([] { make_store("oracle://x"); }) == ExitCode::config);
    auto store = make_store(":memory:");
    CHECK(kinds(Lines().batch(make_batch(0)).batch(make_batch(0)).store(*store, received)) == "sd");
}

TEST_CASE("a file's version decides what happens to it") {
    const Folder folder;
    const std::string path = folder.path / "a.db";
    constexpr Migration first[] = {
        {1, "first", "CREATE TABLE state (epoch); INSERT INTO state VALUES (0); CREATE TABLE batches (x)"}};
    constexpr Migration later[] = {first[0],
                                   {2, "second", "CREATE TABLE b (x); INSERT INTO b VALUES (1)"},
                                   {3, "third", "ALTER TABLE b ADD COLUMN y; UPDATE b SET y = x"}};
    set_log_level(LogLevel::error);

    SECTION("an older one is brought forward, step by step and once") {
        {
            Database database(path);
            open_schema(database, first);
        }
        for (int i = 0; i < 2; ++i) {
            Database database(path);
            open_schema(database, later);
        }
        CHECK(rows_of(path, "PRAGMA user_version") == Rows{"3"});
        CHECK(rows_of(path, "SELECT x, y FROM b") == Rows{"1|1"});
        CHECK(rows_of(path, "SELECT epoch FROM state") == Rows{"3"});
    }
    SECTION("what a step sorts need not fit into memory") {
        constexpr Migration sorts[] = {
            first[0], {2, "sort", "CREATE TABLE b AS SELECT temp_store AS x FROM pragma_temp_store"}};
        Database database(path);
        open_schema(database, sorts);
        CHECK(rows_of(path, "SELECT x FROM b") == Rows{"1"});  // 1: a file
        CHECK(database.integer("PRAGMA temp_store") == 2);     // 2: memory
    }
    SECTION("a step that fails changes nothing") {
        constexpr Migration broken[] = {first[0],
                                        {2, "broken", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"}};
        Database database(path);
        open_schema(database, first);
        CHECK_THROWS(open_schema(database, broken));
        CHECK(rows_of(path, "PRAGMA user_version") == Rows{"1"});
        CHECK(rows_of(path, "SELECT name FROM sqlite_schema") == Rows{"state", "batches"});
    }
    SECTION("a newer one is refused") {
        {
            Database database(path);
            open_schema(database, later);
        }
        Database database(path);
        CHECK(code_of([&] { open_schema(database, first); }) == ExitCode::config);
    }
    SECTION("one that becomes newer while in use is noticed") {
        const auto store = make_store(path);
        rows_of(path, "PRAGMA user_version=99");
        rows_of(path, "UPDATE state SET epoch = epoch + 1");
        CHECK(code_of([&] { Lines().batch(make_batch(0)).store(*store, received); }) == ExitCode::config);
    }
    SECTION("another program's database is refused and left alone") {
        rows_of(path, "CREATE TABLE theirs (a)");
        Database database(path);
        CHECK(code_of([&] { open_schema(database); }) == ExitCode::config);
        CHECK(rows_of(path, "SELECT name FROM sqlite_schema") == Rows{"theirs"});
    }
    SECTION("a file that is no database is refused") {
        std::ofstream(path) << std::string(10'000, 'x');
        CHECK(code_of([&] { make_store(path); }) == ExitCode::config);
    }
    set_log_level(LogLevel::info);
}
