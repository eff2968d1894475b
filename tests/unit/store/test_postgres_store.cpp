// The PostgreSQL store: the suite against a real server, and what only it does.
#include <thread>

#include "catch.hpp"
#include "postgres_server.hpp"
#include "store/postgres/lock_wait.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;

namespace {

const Time received = at("2026-11-22T12:00:00Z");

StoreUnderTest open_postgres() {
    // Locks are waited for as long as some transaction of another may take, and in tests not so long.
    const std::string uri = PostgresServer::get().make_database() + "?options=-c%20lock_timeout%3D100ms";
    auto store = make_store(uri);
    const auto client = std::make_shared<Client>(uri);
    return {std::move(store), [uri] { return make_store(uri); },
            [client](const std::string &sql) { return client->rows(sql); },
            [uri] {
                const std::shared_ptr<Client> other(new Client(uri), [](Client *one) {
                    one->rows("ROLLBACK");  // else the server would notice its end a moment later
                    delete one;
                });
                other->rows("BEGIN");
                other->rows("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE");
                return other;
            }};
}

}  // namespace

TEST_CASE("the PostgreSQL store does what every store must do") {
    run_store_suite(open_postgres);
}

TEST_CASE("PostgreSQL refuses a line that breaks a rule alone") {
    const auto test = open_postgres();
    const auto rule = [&](const std::string &what) {
        test.rows(
            "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seq % 3 = 1 THEN " +
            what + " END IF; RETURN NEW; END $$");
        test.rows("CREATE TRIGGER rule BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION rule()");
    };
    rule(GENERATE(as<std::string>{}, "RAISE 'not that one';", "RETURN NULL;"));
    Lines lines;
    for (std::uint64_t seq = 0; seq < 6; ++seq) lines.batch(make_batch(seq));
    Batch unnamed = make_batch(7);
    unnamed.position.reset();
    lines.batch(unnamed, "unnamed").batch(unnamed, "unnamed");
    const auto result = lines.store(*test.store, received);
    CHECK(kinds(result) == "srssrssd");
    CHECK(test.rows("SELECT seq FROM batches ORDER BY seq") == Rows{"0", "2", "3", "5", ""});
    CHECK(test.rows("SELECT detections FROM advertisers") == Rows{"5", "5"});
    CHECK(test.rows("SELECT from_seq, to_seq, reason FROM gaps") == Rows{"1|1|rejected", "4|4|rejected"});
    CHECK(test.rows(
              "SELECT count(*) FROM detections WHERE NOT EXISTS (SELECT 1 FROM batches WHERE id = batch)") ==
          Rows{"0"});
}

TEST_CASE("detections are in tables for weeks, made ahead, and what came before its table is moved there") {
    const auto test = open_postgres();
    const auto tables = [&] {
        return test.rows("SELECT DISTINCT tableoid::regclass FROM detections ORDER BY 1");
    };
    const auto made = [&] {
        return test.rows(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = "
            "'detections'::regclass ORDER BY 1");
    };
    Batch ahead = make_batch(1, 1);
    ahead.detections[0].timestamp = received + std::chrono::days(20);
    Lines().batch(make_batch(0, 1)).batch(ahead).store(*test.store, received);  // a Sunday
    CHECK(made() == Rows{"detections_20261116", "detections_20261123", "detections_other"});
    CHECK(tables() == Rows{"detections_other", "detections_20261116"});
    // Twenty days later, a Saturday: of the same time.
    Lines().batch(make_batch(2, 1)).store(*test.store, received + std::chrono::days(20));
    CHECK(made() ==
          Rows{"detections_20261116", "detections_20261123", "detections_20261207", "detections_other"});
    CHECK(tables() == Rows{"detections_20261116", "detections_20261207"});
    CHECK(
        test.rows("SELECT count(*) FROM pg_indexes WHERE tablename = 'detections_20261207' AND indexdef LIKE "
                  "'%brin%pages_per_range%'") == Rows{"1"});
    // No time makes tables for ever.
    Batch old = make_batch(3, 3);
    old.detections[0].timestamp = at("1970-01-01T00:00:00Z");
    old.detections[1].timestamp = at("9999-12-31T23:59:59Z");
    old.detections[2].timestamp = received - std::chrono::days(400);
    Lines().batch(old).store(*test.store, received + std::chrono::days(20));
    CHECK(made().size() == 4);
    CHECK(test.rows("SELECT count(*) FROM detections_other") == Rows{"3"});
}

TEST_CASE("a large table of detections is dropped whole, when no batch of it is left") {
    const auto test = open_postgres();
    Lines().batch(make_batch(0, 1)).store(*test.store, received);
    Lines().batch(make_batch(1, 2)).store(*test.store, received + std::chrono::days(10));
    test.rows(
        "INSERT INTO detections SELECT timestamp, batch, advertiser, NULL, each, -40, 0, NULL FROM "
        "detections,"
        " generate_series(1, 1300000) AS each WHERE batch = (SELECT min(id) FROM batches)");
    test.rows("UPDATE advertiser_totals SET detections = 1300000 WHERE device_hash = '" + hash_of(0) + "'");
    const auto expire_at = [&](Time time) { expire(*test.store, std::chrono::days(9), time); };
    expire_at(received + std::chrono::days(10));
    // In no view at once; on the disk while another batch is in that week.
    CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"1"});
    CHECK(test.rows("SELECT count(*) FROM detection_log") == Rows{"2"});
    CHECK(test.rows("SELECT count(*) > 1000000 FROM detections") == Rows{"1"});
    CHECK(test.rows("SELECT to_regclass('detections_20261116') IS NOT NULL") == Rows{"1"});
    expire_at(received + std::chrono::days(20));
    CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"0"});
    CHECK(test.rows("SELECT to_regclass('detections_20261116') IS NULL") == Rows{"1"});
    CHECK(test.rows("SELECT count(*) FROM detections") == Rows{"0"});
    CHECK(test.rows("SELECT count(*) FROM advertiser_totals") == Rows{"0"});
    // Who remembers their ids has heard of it.
    CHECK(kinds(Lines().batch(make_batch(2)).store(*test.store, received + std::chrono::days(20))) == "s");
    CHECK(test.rows("SELECT count(*) FROM detection_log") == Rows{"2"});
}

TEST_CASE("a table that nobody needs goes, whatever older ones are needed for") {
    const auto test = open_postgres();
    constexpr int weeks = 20, gone = 12;
    // The first batch has a detection in the last week as well, and none between.
    Batch apart = make_batch(0, 2);
    apart.detections[1].timestamp = received + std::chrono::days(7 * weeks);
    Lines().batch(apart).store(*test.store, received);
    for (std::uint64_t week = 1; week <= weeks; ++week)
        Lines().batch(make_batch(60'480 * week)).store(*test.store, received + std::chrono::days(7 * week));
    const auto tables = [&] {
        return test.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'detections'::regclass");
    };
    CHECK(tables() == Rows{"23"});  // one ahead, and detections_other
    test.rows("DELETE FROM batches WHERE seq = " + std::to_string(60'480 * gone));
    const Time later = received + std::chrono::days(7 * weeks + 3);
    while (test.store->retain(std::chrono::days(365), clocks_at(later)).more) {
    }
    CHECK(tables() == Rows{"22"});
    CHECK(test.rows("SELECT to_regclass('detections_20270208') IS NULL") == Rows{"1"});
    CHECK(test.rows("SELECT count(*) FROM detection_log") == Rows{"40"});
}

TEST_CASE("what transactions say of advertisers is added up now and then, and always seen") {
    const auto test = open_postgres();
    const auto other = test.again();
    for (std::uint64_t seq = 0; seq < 150; ++seq) {
        Lines().batch(make_batch(seq, 3)).store(seq % 2 == 0 ? *test.store : *other, received);
        if (seq % 50 == 49)
            CHECK(test.rows("SELECT count(*), sum(detections) FROM advertisers") ==
                  Rows{"3|" + std::to_string(3 * (seq + 1))});
    }
    CHECK(test.rows("SELECT count(*) < 100 FROM advertiser_news") == Rows{"1"});
    CHECK(test.rows("SELECT sum(detections) > 0 FROM advertiser_totals") == Rows{"1"});
}

TEST_CASE("a transaction that the server undoes for another's sake is done again, and counted") {
    const std::string uri = PostgresServer::get().make_database();
    // The writer looks for a deadlock once, when it has waited for so long: there has to be one by then.
    Client(uri).rows(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = %L', current_database(), "
        "'3s'); "
        "END $$");
    const auto store = make_store(uri);
    Batch second = make_batch(0);
    second.device_id = "pi-2";
    Lines().batch(make_batch(0)).batch(second).store(*store, received);
    Client other(uri), third(uri);
    other.rows("SET deadlock_timeout = '1h'");
    other.rows("BEGIN");
    other.rows("SELECT 1 FROM devices WHERE device_id = 'pi-2' FOR UPDATE");
    second.position->seq = 1;
    StoreResult result;
    std::thread writer([&] { result = Lines().batch(make_batch(1)).batch(second).store(*store, received); });
    while (third.rows(
               "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database"
               " WHERE datname = current_database()) OR NOT granted AND locktype = 'transactionid'") ==
           Rows{"0"})
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    other.rows(
        "SELECT 1 FROM devices WHERE device_id = 'pi-1' FOR UPDATE");  // a deadlock: the writer gives way
    other.rows("COMMIT");
    writer.join();
    CHECK(kinds(result) == "ss");
    CHECK(result.collisions >= 1);
    CHECK(other.rows("SELECT count(*) FROM batches") == Rows{"4"});
}

// The server does not know of the rows by then, as in a flood: nothing counts them here.
TEST_CASE("what is merged is looked for by the index of its time, also in tables that grew at once") {
    const std::string uri = PostgresServer::get().make_database();
    auto store = make_store(uri);
    for (std::uint64_t seq = 0; seq < 600; ++seq) {
        Batch batch = make_batch(seq, 5);
        batch.device_id = "pi-" + std::to_string(seq % 40);
        Lines().batch(batch).store(*store, received);
        if (seq % 20 == 19)
            while (store->roll_up(std::chrono::minutes(0)).more) {
            }
    }
    store.reset();  // the server is told of its statements at the end
    Client other(uri);
    const std::string scans =
        "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname LIKE 'detections_2%'";
    while (other.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                      "pg_backend_pid() AND backend_type = 'client backend'") != Rows{"0"})
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(other.rows("SELECT sum(detections) FROM rollups") == Rows{"3000"});
    CHECK(std::stoi(other.rows(scans)[0]) < 10);
}

// Else it would see rows as they were before it waited for a lock, and store detections of an advertiser that is gone.
TEST_CASE("a transaction sees what was done while it waited for a lock, whatever the database is set to") {
    const std::string uri = PostgresServer::get().make_database();
    Client other(uri);
    other.rows(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', "
        "current_database(), 'repeatable read'); END $$");
    const auto store = make_store(uri);
    Lines().batch(make_batch(0)).store(*store, received);
    // As --retain does it.
    other.rows("BEGIN");
    other.rows("SELECT pg_advisory_xact_lock(1112294768, 2)");
    std::thread writer([&] { Lines().batch(make_batch(1)).store(*store, received); });
    while (other.rows("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'") ==
           Rows{"0"})
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    other.rows("DELETE FROM advertiser_news");
    other.rows("DELETE FROM advertiser_totals");
    other.rows("UPDATE state SET epoch = epoch + 1");
    other.rows("COMMIT");
    writer.join();
    CHECK(other.rows("SELECT count(*) > 0 FROM detection_log WHERE seq = 1") == Rows{"1"});
}

TEST_CASE("of two machines one tells how old the store is") {
    const auto test = open_postgres();
    Clocks here{received, std::chrono::seconds(1000), "here", true},
        there{received, std::chrono::seconds(50), "there", true};
    const auto pass = [&](std::chrono::seconds time) {
        for (auto *clocks : {&here, &there}) {
            clocks->wall += time;
            clocks->uptime += time;
        }
    };
    const auto ages = [&] { return test.rows("SELECT lived_s FROM batches ORDER BY seq"); };
    std::uint64_t seq = 0;
    const auto store_at = [&](Store &store, const Clocks &clocks) {
        Lines().batch(make_batch(seq++)).store(store, clocks);
    };
    auto first = test.again();
    store_at(*first, here);
    pass(std::chrono::hours(2));
    store_at(*first, here);
    store_at(*test.store, there);
    CHECK(ages() == Rows{"0", "7200", "7800"});
    // Its word goes when it does.
    first.reset();
    while (test.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != Rows{"0"})
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pass(std::chrono::hours(1));
    store_at(*test.store, there);
    pass(std::chrono::hours(1));
    store_at(*test.store, there);
    CHECK(ages() == Rows{"0", "7200", "7800", "7801", "11401"});
}

TEST_CASE("a machine that keeps the age and has nothing to store does not stop it") {
    const auto test = open_postgres();
    const auto other = test.again();
    Clocks here{received, std::chrono::seconds(1000), "here", true},
        there{received, std::chrono::seconds(50), "there", true};
    std::uint64_t seq = 0;
    const auto store_at = [&](Store &store, const Clocks &clocks) {
        Lines().batch(make_batch(seq++)).store(store, clocks);
        return std::stoll(test.rows("SELECT lived_s FROM batches ORDER BY seq DESC LIMIT 1").at(0));
    };
    const auto pass = [&](std::chrono::seconds time) {
        for (auto *clocks : {&here, &there}) {
            clocks->wall += time;
            clocks->uptime += time;
        }
    };
    CHECK(store_at(*test.store, here) == 0);
    SECTION("another takes its place") {
        for (int tenth = 0; tenth < 20; ++tenth, pass(std::chrono::minutes(1)))
            CHECK(store_at(*other, there) == 600);
        CHECK(store_at(*other, there) == 601);
        pass(std::chrono::hours(5));
        CHECK(store_at(*other, there) == 601 + 5 * 3600);
        CHECK(store_at(*test.store, here) == 601 + 5 * 3600 + 600);  // which it hears of
    }
    SECTION("another takes its place, also when that is undone at first") {
        CHECK(store_at(*other, there) == 600);
        pass(std::chrono::minutes(20));
        test.rows("BEGIN");
        test.rows("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE");
        CHECK_THROWS_AS(Lines().batch(make_batch(seq)).store(*other, there), StoreTrouble);
        test.rows("COMMIT");
        CHECK(store_at(*other, there) == 601);
    }
    SECTION("and makes nothing older than it is when it goes on") {
        pass(std::chrono::hours(9));
        CHECK(store_at(*other, there) == 600);  // at nine hours
        CHECK(store_at(*test.store, here) == 600);
        pass(std::chrono::hours(1));
        CHECK(store_at(*test.store, here) == 600 + 3600);
    }
    SECTION("and counts the time of its silence when nobody else was there") {
        pass(std::chrono::hours(9));
        CHECK(store_at(*test.store, here) == 9 * 3600);
    }
}

TEST_CASE("what another machine stores by an old word is not made older when its clock can be believed") {
    const auto test = open_postgres();
    auto first = test.again();
    Clocks here{received, std::chrono::seconds(1000), "here", true},
        there{received, std::chrono::seconds(50), "there", true};
    const auto pass = [&](std::chrono::seconds time) {
        for (auto *clocks : {&here, &there}) {
            clocks->wall += time;
            clocks->uptime += time;
        }
    };
    std::uint64_t seq = 0;
    const auto store_at = [&](Store &store, const Clocks &clocks) {
        Lines().batch(make_batch(seq++)).store(store, clocks);
    };
    store_at(*first, here);
    pass(std::chrono::hours(25));
    store_at(*first, here);  // its clock can be believed
    pass(std::chrono::minutes(5));
    store_at(*first, here);
    pass(std::chrono::days(5));  // in which it is silent
    store_at(*test.store, there);
    SECTION("after it took its place") {
        pass(std::chrono::minutes(20));
    }
    SECTION("after the other has gone") {
        first.reset();
        while (test.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != Rows{"0"})
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        pass(std::chrono::minutes(20));
    }
    store_at(*test.store, there);
    pass(std::chrono::hours(25));
    store_at(*test.store, there);
    // Of the days of silence the first ones are made older, by them less the ten minutes.
    constexpr int sure = 25 * 3600, off = 5 * 86'400 + 25 * 60 - 601, taken = sure + 601;
    const auto ages = [](std::vector<int> all) {
        Rows rows;
        for (const auto age : all) rows.push_back(std::to_string(age));
        return rows;
    };
    CHECK(test.rows("SELECT lived_s FROM batches ORDER BY seq") ==
          ages({-off, sure - off, sure + 300 - off, sure + 600, taken, taken + sure}));
}

TEST_CASE("an advertiser of a line that was refused does not stay") {
    const auto test = open_postgres();
    test.rows(
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seq = 1 THEN RAISE 'no'; "
        "END IF; RETURN NEW; END $$");
    test.rows("CREATE TRIGGER rule BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION rule()");
    Batch refused = make_batch(1, 1);
    refused.detections[0].device_hash = DeviceHash(hash_of(7));
    CHECK(kinds(Lines().batch(make_batch(0)).batch(refused).store(*test.store, received)) == "sr");
    const auto other = test.again();
    CHECK(kinds(Lines().batch(make_batch(2)).store(*other, received)) == "s");
    CHECK(test.rows("SELECT count(*) FROM advertiser_totals") == Rows{"3"});
    while (test.store->retain(std::chrono::days(9), clocks_at(received)).more) {
    }
    CHECK(test.rows("SELECT count(*) FROM advertiser_totals") == Rows{"2"});
    CHECK(test.rows("SELECT sum(detections) FROM advertisers") == Rows{"4"});
    // Who remembers it hears that it is gone.
    refused.position->seq = 3;
    CHECK(kinds(Lines().batch(refused).store(*test.store, received)) == "s");
    CHECK(test.rows("SELECT count(*) FROM detection_log") == Rows{"5"});
}

TEST_CASE("a large table that is dropped keeps writers waiting for a moment only") {
    const auto test = open_postgres();
    Lines().batch(make_batch(0, 1)).store(*test.store, received);
    test.rows(
        "INSERT INTO detections SELECT timestamp, batch, advertiser, NULL, each, -40, 0, NULL FROM "
        "detections,"
        " generate_series(1, 1300000) AS each");
    test.rows("UPDATE advertiser_totals SET detections = 1300000 WHERE device_hash = '" + hash_of(0) + "'");
    test.rows("DELETE FROM batches");
    const auto other = test.again();
    const Time later = received + std::chrono::days(20);
    const auto step = [&] { return test.store->retain(std::chrono::days(9), clocks_at(later)).more; };
    // A long query of a reader.
    test.rows("BEGIN");
    test.rows("SELECT count(*) FROM detections WHERE timestamp < 0");
    while (step()) {
    }
    CHECK(test.rows("SELECT count(*) FROM parted_tables") == Rows{"0"});
    test.rows("COMMIT");
    CHECK(step());
    CHECK(test.rows("SELECT count(*) > 0 FROM parted_tables") == Rows{"1"});
    CHECK(test.rows("SELECT count(*) FROM detections") == Rows{"0"});
    // It is counted in parts, by whoever comes, and between them others store what belongs into the table that is gone.
    CHECK(kinds(Lines().batch(make_batch(1, 1)).store(*other, later)) == "s");
    const auto another = test.again();
    while (another->retain(std::chrono::days(9), clocks_at(later)).more) {
    }
    CHECK(test.rows("SELECT count(*) FROM parted_tables") == Rows{"0"});
    CHECK(test.rows("SELECT count(*) FROM pg_class WHERE relname ~ '^parted_[0-9]+$'") == Rows{"0"});
    CHECK(test.rows("SELECT detections FROM advertisers") == Rows{"1"});
    CHECK(test.rows("SELECT count(*) FROM detection_log") == Rows{"1"});
}

TEST_CASE("what retention leaves behind is looked for once a day, and keeps nobody from writing") {
    const auto test = open_postgres();
    Lines().batch(make_batch(0)).store(*test.store, received);
    const auto retain_all = [&](Time time) {
        while (test.store->retain(std::chrono::days(9), clocks_at(time)).more) {
        }
    };
    const auto found = [&] {
        return test.rows("SELECT id FROM advertiser_totals WHERE detections = 0 ORDER BY id");
    };
    const auto refuse = [&](const std::string &id) {
        test.rows("INSERT INTO advertiser_totals (id, device_hash) VALUES (" + id + ", 'refused " + id +
                  "')");
    };
    test.rows(
        "INSERT INTO advertiser_totals SELECT each * 2, 'heard ' || each, 0, 0, 1 FROM generate_series(51, "
        "50000) "
        "AS each");
    retain_all(received);
    refuse("91");
    refuse("50001");
    const Time next_day = received + std::chrono::hours(24);
    SECTION("once a day") {
        Lines().batch(make_batch(1)).store(*test.store, received);
        test.rows("UPDATE batches SET lived_s = -864000, received_at = 0 WHERE seq = 1");
        retain_all(received + std::chrono::hours(23));
        CHECK(test.rows("SELECT count(*) FROM batches") == Rows{"1"});
        CHECK(found() == Rows{"91", "50001"});
    }
    SECTION("without a lock that others need") {
        test.rows("UPDATE batches SET lived_s = -864000, received_at = 0");
        do {
            CHECK(test.store->retain(std::chrono::days(9), clocks_at(next_day)).more);
        } while (test.rows("SELECT count(*) FROM rollup_days") != Rows{"0"});
        CHECK(test.store->retain(std::chrono::days(9), clocks_at(next_day)).more);
        CHECK(found() == Rows{"50001"});
        test.rows("SELECT pg_advisory_lock_shared(1112294768, 2)");  // a writer
        CHECK(test.store->retain(std::chrono::days(9), clocks_at(next_day)).more);
        // Where it cannot go on, it goes on later.
        CHECK_FALSE(test.store->retain(std::chrono::days(9), clocks_at(next_day)).more);
        test.rows("SELECT pg_advisory_unlock_shared(1112294768, 2)");
        refuse("93");
        retain_all(next_day);
        CHECK(found() == Rows{"93"});
    }
}

TEST_CASE("writers that use the same places and senders in any order do not collide") {
    const std::string uri = PostgresServer::get().make_database();
    const auto one = make_store(uri), other = make_store(uri);
    const auto lines = [](const std::string &device, std::uint64_t round, std::vector<std::string> names) {
        Lines made;
        for (std::size_t i = 0; i < names.size(); ++i) {
            Batch batch = make_batch(round * names.size() + i, 0);
            batch.device_id = device;
            batch.name = "Lab " + names[i];
            batch.sender = "sender " + names[i];
            made.batch(batch);
        }
        return made;
    };
    lines("pi-1", 0, {"a", "b", "c"}).store(*one, received);
    lines("pi-2", 0, {"c", "b", "a"}).store(*other, received);
    // Some hours later the database is told anew that they are used; somebody holds the first, so both wait and nobody is quick.
    const Time later = received + std::chrono::hours(3);
    lines("pi-3", 0, {"d"})
        .store(*make_store(uri), later);  // else one would wait for the other's word of the age
    Client holder(uri), watcher(uri);
    const std::string table = GENERATE("places", "senders");
    holder.rows("BEGIN");
    holder.rows("SELECT 1 FROM " + table + " ORDER BY id LIMIT 1 FOR UPDATE");
    const auto wait_for = [&](const char *waiting) {
        while (watcher.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                            "wait_event_type = 'Lock'") != Rows{waiting})
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
    StoreResult mine, theirs;
    std::thread first([&] { mine = lines("pi-1", 1, {"a", "b", "c"}).store(*one, later); });
    wait_for("1");
    std::thread second([&] { theirs = lines("pi-2", 1, {"c", "b", "a"}).store(*other, later); });
    wait_for("2");
    holder.rows("COMMIT");
    first.join();
    second.join();
    CHECK(kinds(mine) == "sss");
    CHECK(kinds(theirs) == "sss");
    CHECK(mine.collisions + theirs.collisions == 0);
}

TEST_CASE("a reader that is in the way of one table has writers wait once a round") {
    const auto test = open_postgres();
    for (std::uint64_t week = 0; week < 3; ++week)
        Lines().batch(make_batch(60'480 * week)).store(*test.store, received + std::chrono::days(7 * week));
    test.rows("DELETE FROM batches");
    const auto tables = [&] {
        return test.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'detections'::regclass");
    };
    const auto retain_all = [&] {
        while (test.store->retain(std::chrono::days(90), clocks_at(received + std::chrono::days(40))).more) {
        }
    };
    test.rows("BEGIN");
    test.rows("SELECT count(*) FROM detections_20261116");
    retain_all();
    CHECK(tables() == Rows{"5"});
    test.rows("COMMIT");
    retain_all();
    CHECK(tables() == Rows{"1"});
}

TEST_CASE("retention waits for its lock no longer than is set, and for all others as long as is set") {
    const std::string uri = PostgresServer::get().make_database();
    const auto store = make_store(uri);
    Client client(uri);
    client.rows("CREATE TABLE waits (wait text)");
    client.rows(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO waits VALUES "
        "(current_setting('lock_timeout')); RETURN NEW; END $$");
    client.rows("CREATE TRIGGER note BEFORE UPDATE ON age FOR EACH ROW EXECUTE FUNCTION note()");
    store->retain(std::chrono::days(9), clocks_at(received));
    CHECK(client.rows("SELECT DISTINCT wait FROM waits") == Rows{"10s"});
    client.rows("DELETE FROM waits");
    make_store(uri + "?options=-c%20lock_timeout%3D100ms")
        ->retain(std::chrono::days(9), clocks_at(received + std::chrono::hours(5)));
    CHECK(client.rows("SELECT DISTINCT wait FROM waits") == Rows{"100ms"});
}

TEST_CASE("who keeps others waiting for a lock waits longer after each failure") {
    using std::chrono::seconds;
    LockWait wait;
    for (const auto most : {2, 4, 8, 10, 10}) {
        CHECK(wait.next(seconds(20)) == seconds(most));
        CHECK(wait.next(seconds(1)) == seconds(1));
        wait.failed();
    }
    wait.done();
    CHECK(wait.next(seconds(20)) == seconds(2));
}

TEST_CASE("many batches are not counted one by one") {
    const auto test = open_postgres();
    Lines().batch(make_batch(0, 0)).store(*test.store, received);
    test.rows(
        "INSERT INTO batches (id, device, received_at, lived_s) SELECT -each, device, received_at, lived_s "
        "FROM batches,"
        " generate_series(1, 480000) AS each");
    test.rows("ANALYZE batches");
    test.rows("DELETE FROM batches WHERE id < -240000");  // which the server has not noticed yet
    while (test.store->retain(std::chrono::days(9), clocks_at(received + std::chrono::hours(3))).more) {
    }
    CHECK(test.rows("SELECT hour_left BETWEEN 19800 AND 20200 FROM age") == Rows{"1"});
}

TEST_CASE("a PostgreSQL store that becomes newer while in use is noticed") {
    const auto test = open_postgres();
    test.rows("UPDATE state SET version = 99, epoch = epoch + 1");
    try {
        Lines().batch(make_batch(0)).store(*test.store, received);
        FAIL("it was stored");
    } catch (const Error &error) {
        CHECK(error.code() == ExitCode::config);
    }
}

TEST_CASE("a URI of PostgreSQL tells no password") {
    CHECK(why_no_store("postgresql://pi@host:5433/ble?sslmode=verify-full").empty());
    CHECK(why_no_store("postgres://one,two/ble?target_session_attrs=read-write").empty());
    for (const std::string uri :
         {"postgresql://pi:secret@host/ble", "postgresql://host/ble?password=secret",
          "postgresql://host/ble?sslpassword=secret", "postgresql://host:secret/ble?x=secret"}) {
        CHECK_FALSE(why_no_store(uri).empty());
        CHECK(why_no_store(uri).find("secret") == std::string::npos);
    }
}
