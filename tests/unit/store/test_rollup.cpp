// The rollups are what the detections give, whatever the order in which batches arrive, are merged, and go.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>

#include "base/log.hpp"
#include "catch.hpp"
#include "room.hpp"
#include "sqlite_file.hpp"
#include "store/archive.hpp"
#include "store/intake.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using Rows = std::vector<std::string>;

const Time start = at("2026-11-22T22:00:00Z");  // a day ends two hours later

std::int64_t ms(Time time) {
    return time.time_since_epoch() / milliseconds(1);
}

// What the rollups have to be, by a simple count of the batches that were stored.
class Reference {
  public:
    void add(const Batch &batch) {
        for (const auto &detection : batch.detections) {
            const auto bucket = ms(detection.timestamp) / 300'000;
            for (const auto &[table, parts] : {std::pair(&buckets_, 1), {&hours_, 12}, {&days_, 288}})
                add((*table)[{bucket / parts, batch.name.value_or(""),
                              std::string(detection.device_hash.text()), batch.device_id}],
                    detection, bucket % parts);
        }
        if (!batch.occupancy) return;
        const auto bucket = ms(*batch.timestamp) / 300'000;
        for (const auto &[minutes, number] : numbers_of(bucket)) {
            auto &told = told_[{minutes, number, batch.name.value_or("")}];
            told[0] = std::max<std::int64_t>(told[0], batch.occupancy->near);
            told[1] = std::max<std::int64_t>(told[1], batch.occupancy->medium);
            told[2] = std::max<std::int64_t>(told[2], batch.occupancy->far);
        }
    }
    void forget_day(std::int64_t day) {
        std::erase_if(buckets_, [&](const auto &row) { return std::get<0>(row.first) / 288 == day; });
        std::erase_if(hours_, [&](const auto &row) { return std::get<0>(row.first) / 24 == day; });
        std::erase_if(days_, [&](const auto &row) { return std::get<0>(row.first) == day; });
        std::erase_if(told_, [&](const auto &row) {
            return std::get<1>(row.first) * std::get<0>(row.first) / 1440 == day;
        });
    }
    Rows rollups() const { return text(buckets_, true, false); }
    Rows rollups_hour() const { return text(hours_, false, true); }
    Rows rollups_day() const { return text(days_, true, true); }
    Rows occupancy() const {
        std::map<Number, std::map<std::string, std::int64_t>> zones;
        for (const auto &[key, row] : buckets_) {
            const auto &[bucket, place, advertiser, device] = key;
            for (const auto &[minutes, number] : numbers_of(bucket)) {
                auto &zone = zones[{minutes, number, place}].try_emplace(advertiser, row.zone).first->second;
                zone = std::min(zone, row.zone);
            }
        }
        for (const auto &[key, told] : told_)
            if (told[0] + told[1] + told[2] > 0) zones[key];
        Rows rows;
        for (const auto &[key, advertisers] : zones) {
            std::int64_t counts[3]{};
            for (const auto &[advertiser, zone] : advertisers) ++counts[zone];
            const auto told = told_.find(key);
            std::ostringstream row;
            row << std::get<0>(key) << '|' << std::get<1>(key) << '|' << std::get<2>(key);
            for (const auto count : counts) row << '|' << count;
            for (int zone = 0; zone < 3; ++zone) row << '|' << (told == told_.end() ? 0 : told->second[zone]);
            rows.push_back(row.str());
        }
        return sorted(std::move(rows));
    }

    static Rows sorted(Rows rows) {
        std::sort(rows.begin(), rows.end());
        return rows;
    }

  private:
    struct Row {
        std::int64_t detections = 0, reports = 0, strongest = -1000, rssi_sum = 0, zone = 9;
        std::int64_t first = 999, last = -1;
    };
    using Key = std::tuple<std::int64_t, std::string, std::string, std::string>;
    using Table = std::map<Key, Row>;

    using Number = std::tuple<int, std::int64_t, std::string>;

    static std::vector<std::pair<int, std::int64_t>> numbers_of(std::int64_t bucket) {
        return {{5, bucket}, {60, bucket / 12}, {1440, bucket / 288}};
    }
    static void add(Row &row, const Detection &detection, std::int64_t part) {
        ++row.detections;
        row.reports += detection.count.value_or(1);
        row.strongest = std::max<std::int64_t>(row.strongest, detection.rssi_dbm);
        row.rssi_sum += detection.rssi_dbm;
        row.zone = std::min(row.zone, static_cast<std::int64_t>(detection.zone));
        row.first = std::min(row.first, part);
        row.last = std::max(row.last, part);
    }
    static Rows text(const Table &table, bool sums, bool times) {
        Rows rows;
        for (const auto &[key, row] : table) {
            std::ostringstream one;
            one << std::get<0>(key) << '|' << std::get<1>(key) << '|' << std::get<2>(key) << '|'
                << std::get<3>(key) << '|' << row.detections << '|' << row.strongest << '|' << row.zone;
            if (sums) one << '|' << row.reports << '|' << row.rssi_sum;
            if (times) one << '|' << row.first << '|' << row.last;
            rows.push_back(one.str());
        }
        return sorted(std::move(rows));
    }

    Table buckets_, hours_, days_;
    std::map<Number, std::array<std::int64_t, 3>> told_;
};

Rows rollups(Room &room, const std::string &table, const std::string &columns) {
    return Reference::sorted(room.rows(
        "SELECT " + columns + " FROM " + table +
        " AS r JOIN devices ON devices.id = r.device JOIN advertisers ON advertisers.id = r.advertiser"
        " LEFT JOIN places ON places.id = r.place"));
}

Rows occupancy(Room &room) {
    return Reference::sorted(
        room.rows("SELECT minutes, number, places.name, near, medium, far, told_near, told_medium, told_far"
                  " FROM occupancy_rollups"
                  " LEFT JOIN places ON places.id = occupancy_rollups.place"));
}

void check_equal(Room &room, const Reference &reference) {
    const std::string each = ", places.name, device_hash, device_id, r.detections, strongest, zone",
                      sums = ", reports, rssi_sum", times = ", first, last";
    CHECK(rollups(room, "rollups", "bucket" + each + sums) == reference.rollups());
    CHECK(rollups(room, "rollups_hour", "hour" + each + times) == reference.rollups_hour());
    CHECK(rollups(room, "rollups_day", "day" + each + sums + times) == reference.rollups_day());
    CHECK(occupancy(room) == reference.occupancy());
}

std::uint64_t roll_up_all(Store &store) {
    std::uint64_t merged = 0;
    for (bool more = true; more;) {
        const auto done = store.roll_up(minutes(1440));
        merged += done.batches;
        more = done.more;
    }
    return merged;
}

// A Pi of three, at one of two places or at none, some time around midnight; rarely at another time altogether.
Batch any_batch(std::mt19937 &random, std::uint64_t seq) {
    Batch batch = make_batch(seq, 0);
    batch.device_id = "pi-" + std::to_string(random() % 3);
    const auto place = random() % 4;
    batch.name = "place " + std::to_string(place % 2);
    if (place == 3) {
        batch.name.reset();
        batch.location.reset();
    }
    batch.timestamp = start + seconds(random() % 14'400);
    if (random() % 6 == 0) {
        const auto number = [&] { return static_cast<std::uint32_t>(random() % 30); };
        batch.hash_id.reset();
        batch.occupancy = {number(), number(), number()};
        return batch;
    }
    for (auto left = random() % 6; left > 0; --left) {
        const Time time = random() % 50 == 0 ? at("1999-05-05T00:00:00Z") + hours(random() % 90)
                                             : *batch.timestamp - milliseconds(random() % 10'000);
        batch.detections.push_back(
            {DeviceHash(hash_of(static_cast<int>(random() % 8))),
             -30 - static_cast<int>(random() % 70),
             static_cast<Zone>(random() % 3),
             time,
             random() % 5 == 0 ? std::nullopt : std::optional<std::uint32_t>(random() % 40),
             {}});
    }
    return batch;
}

void retain_all(Store &store, const Keep &keep, Time time) {
    while (store.retain(keep, clocks_at(time)).more) {
    }
}

// As bleexport writes it.
Rows archive_of(const Room &room) {
    Rows lines;
    const auto archive = open_archive(room.name(), {});
    while (!archive->ended())
        for (auto &line : archive->next()) lines.push_back(std::move(line.text));
    return lines;
}

// As bleingest --import does it.
void import(Store &store, const Rows &archive, Time time) {
    Intake intake(10'000, BatchParser::Takes::archives);
    std::vector<Line> lines;
    for (const auto &line : archive) lines.push_back({Line::Kind::whole, line});
    REQUIRE(intake.read(lines) == lines.size());
    store.store(intake.items(), clocks_at(time));
}

const char *const failing[] = {"rollups", "rollups_hour", "rollups_day", "rollup_days", "occupancy_rollups"};

// From now on a step that comes to this table fails; empty: no more.
void fail_at(Room &room, const std::string &kind, const std::string &table) {
    if (kind == in_sqlite) {
        room.rows("DROP TRIGGER IF EXISTS broken");
        if (!table.empty())
            room.rows("CREATE TRIGGER broken BEFORE INSERT ON " + table +
                      " BEGIN SELECT RAISE(ABORT, 'no'); END");
        return;
    }
    for (const auto *name : failing) room.rows("DROP TRIGGER IF EXISTS broken ON " + std::string(name));
    if (table.empty()) return;
    room.rows(
        "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END "
        "$$");
    room.rows("CREATE TRIGGER broken BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION broken()");
}

// As if retention came as soon as a row was made anew: it deletes all details.
void expire_at_first_row(Room &room, const std::string &kind) {
    const std::string body = " UPDATE rollup_days SET is_whole = 0; DELETE FROM detections; ";
    if (kind == in_sqlite) {
        room.rows("CREATE TRIGGER expiring AFTER INSERT ON rollups BEGIN" + body + "END");
        return;
    }
    room.rows("CREATE FUNCTION expire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN" + body +
              "RETURN NULL; END $$");
    room.rows("CREATE TRIGGER expiring AFTER INSERT ON rollups FOR EACH ROW EXECUTE FUNCTION expire()");
}

}  // namespace

TEST_CASE("the rollups are what the detections give, whatever comes between", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    const auto seed = GENERATE(1u, 2u, 3u, 4u);
    CAPTURE(kind, seed);
    std::mt19937 random(seed);
    const auto room = make_room(kind);
    std::unique_ptr<Store> stores[] = {make_store(room->name()), make_store(room->name())};
    std::vector<Batch> batches;
    for (std::uint64_t seq = 0; seq < 120; ++seq) batches.push_back(any_batch(random, seq));
    std::shuffle(batches.begin(), batches.end(), random);
    Reference reference;
    Time time = start;
    std::size_t next = 0;
    while (next < batches.size()) {
        auto &store = stores[random() % 2];
        switch (random() % 8) {
            case 0:
                store->roll_up(minutes(random() % 2 == 0 ? 0 : 60));
                break;
            case 1:  // killed
                store = make_store(room->name());
                break;
            case 2:  // a step that is undone
                fail_at(*room, kind, failing[random() % std::size(failing)]);
                try {
                    store->roll_up(minutes(1440));
                } catch (const Error &) {
                }
                fail_at(*room, kind, "");
                break;
            case 3:
                time += hours(random() % 40);
                store->retain({days(2), std::nullopt}, clocks_at(time));
                break;
            default: {
                Lines lines;
                const auto first = next;
                for (auto some = random() % 6; some > 0 && next < batches.size(); --some)
                    lines.batch(batches[next++]);
                if (first > 0) lines.batch(batches[random() % first]);  // once more
                const auto told = kinds(lines.store(*store, clocks_at(time)));
                for (auto i = first; i < next; ++i)
                    if (told[i - first] == 's') reference.add(batches[i]);
            }
        }
    }
    roll_up_all(*stores[0]);
    check_equal(*room, reference);
    CHECK(room->text("SELECT count(*) FROM rollup_due") == "0");
    CHECK(room->text("SELECT count(*) FROM occupancy_due") == "0");
}

TEST_CASE("several that store and roll up at once lose and repeat nothing", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    make_store(room->name());
    std::vector<std::vector<Batch>> batches(3);
    Reference reference;
    std::mt19937 random(5);
    for (auto &part : batches)
        for (int i = 0; i < 60; ++i) {
            part.push_back(any_batch(random, static_cast<std::uint64_t>(i)));
            part.back().position->run_id = "run of " + std::to_string(&part - batches.data());
            part.back().device_id = part.front().device_id;
            reference.add(part.back());
        }
    std::vector<std::thread> threads;
    for (const auto &part : batches)
        threads.emplace_back([&room, &part] {
            const auto store = make_store(room->name());
            const auto persist = [](const auto &work) {
                for (;;) {
                    try {
                        return work();
                    } catch (const StoreTrouble &) {
                    }
                }
            };
            for (const auto &batch : part) {
                persist([&] { Lines().batch(batch).store(*store, start); });
                persist([&] { store->roll_up(minutes(5)); });
            }
        });
    for (auto &thread : threads) thread.join();
    roll_up_all(*make_store(room->name()));
    check_equal(*room, reference);
}

TEST_CASE("a batch that comes late is put where it belongs", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Lines().batch(make_batch(1)).store(*store, start);
    roll_up_all(*store);
    Batch late = make_batch(0);
    late.detections[0].rssi_dbm = -20;
    Lines().batch(late).store(*store, start + days(3));
    roll_up_all(*store);
    CHECK(room->rows("SELECT detections, reports, strongest, rssi_sum FROM rollups ORDER BY strongest") ==
          Rows{"2|6|-41|-82", "2|6|-20|-60"});
    CHECK(room->rows("SELECT minutes, near FROM occupancy_rollups ORDER BY 1") ==
          Rows{"5|2", "60|2", "1440|2"});
    CHECK(room->rows("SELECT device_id, name, since, detections, reports, strongest, zone FROM rollup_log"
                     " WHERE strongest = -20") == Rows{"pi-1|Lab|2026-11-22T06:00:00.000Z|2|6|-20|near"});
    CHECK(room->rows("SELECT minutes, name, since, advertisers FROM occupancy_log WHERE minutes = 1440") ==
          Rows{"1440|Lab|2026-11-22T00:00:00.000Z|2"});
}

TEST_CASE("who listened is known as long as the rollups are kept", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    const auto window = [&](int hour, int stored_at) {
        Batch batch = make_batch(static_cast<std::uint64_t>(hour), 0);
        batch.timestamp = start + hours(hour);
        batch.window_ms = 600'000;
        batch.interval_ms = 3'600'000;
        Lines().batch(batch).store(*store, start + hours(stored_at));
    };
    const bool late = GENERATE(false, true);
    CAPTURE(late);
    const std::string stretches =
        "SELECT listened_from, listened_until, windows, listened_s FROM coverage ORDER BY from_ms";
    for (int hour = 0; hour <= 48; ++hour)
        if (!late || hour != 1) window(hour, hour);
    if (late) window(1, 49);
    roll_up_all(*store);
    retain_all(*store, {hours(1), days(30)}, start + hours(51));
    CHECK(room->text("SELECT count(*) FROM batches") == "0");
    CHECK(room->rows(stretches) == Rows{"2026-11-22T21:50:00.000Z|2026-11-24T22:00:00.000Z|49|29400.0"});
    // Of two days, all batches are older than a day, unless one came late.
    retain_all(*store, {hours(1), days(1)}, start + hours(51));
    const std::string last_day = "2026-11-24T00:00:00.000Z|2026-11-24T22:00:00.000Z|22|13428.4";
    CHECK(room->rows(stretches) ==
          (late ? Rows{"2026-11-22T21:50:00.000Z|2026-11-23T00:00:00.000Z|2|1322.5", last_day}
                : Rows{last_day}));
}

TEST_CASE("the days that a long window went on go with the one in which it ended", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    const auto window = [&](int day, int length, Time stored) {
        Batch batch = make_batch(static_cast<std::uint64_t>(day), 0);
        batch.timestamp = start + days(day);
        batch.window_ms = static_cast<std::uint32_t>(length) * 86'400'000u;
        batch.interval_ms = batch.window_ms;
        Lines().batch(batch).store(*store, stored);
    };
    window(5, 3, start + days(5));  // over days of which there are no rollups
    window(20, 1, start + days(40));
    roll_up_all(*store);
    const std::string stretches = "SELECT listened_from, listened_until FROM coverage ORDER BY from_ms";
    REQUIRE(room->rows(stretches) == Rows{"2026-11-24T22:00:00.000Z|2026-11-27T22:00:00.000Z",
                                          "2026-12-11T22:00:00.000Z|2026-12-12T22:00:00.000Z"});
    retain_all(*store, {hours(1), days(30)}, start + days(41));
    CHECK(room->rows(stretches) == Rows{"2026-12-11T22:00:00.000Z|2026-12-12T22:00:00.000Z"});
}

TEST_CASE("retention rolls up before it deletes, and rollups have their own", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    auto store = make_store(room->name());
    Reference reference;
    for (std::uint64_t seq = 0; seq < 3; ++seq) {
        reference.add(make_batch(seq));
        Lines().batch(make_batch(seq)).store(*store, start);
    }
    const auto retain = [&](const Keep &keep, Time time) {
        while (store->retain(keep, clocks_at(time)).more) {
        }
    };
    const Keep longer(days(30), days(700));
    retain(longer, start + days(31));
    CHECK(room->text("SELECT count(*) FROM batches") == "0");
    roll_up_all(*store);
    check_equal(*room, reference);  // with the names of advertisers, Pis and places
    retain(longer, start + days(699));
    check_equal(*room, reference);
    retain(longer, start + days(701));
    for (const auto *table : {"rollups", "rollups_hour", "rollups_day", "rollup_days", "occupancy_rollups",
                              "advertisers", "places", "devices"})
        CHECK(room->text("SELECT count(*) FROM " + std::string(table)) == "0");
    // Nothing goes by the wall clock alone.
    Lines().batch(make_batch(9)).store(*store, start + days(701));
    roll_up_all(*store);
    auto clocks = clocks_at(start + days(702));
    clocks.wall += days(3000);
    while (store->retain(longer, clocks).more) {
    }
    CHECK(room->text("SELECT count(*) FROM rollups") == "2");
}

TEST_CASE("an hour deletes some days of rollups, not all", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Lines lines;
    for (std::uint64_t seq = 0; seq < 40; ++seq) {
        Batch batch = make_batch(seq, 1);
        batch.detections[0].timestamp = start - days(seq);
        lines.batch(batch);
    }
    lines.store(*store, start);
    roll_up_all(*store);
    const auto retain = [&](Time time) {
        while (store->retain(days(2), clocks_at(time)).more) {
        }
        return room->text("SELECT count(*) FROM rollup_days");
    };
    CHECK(retain(start + days(3)) == "30");
    CHECK(retain(start + days(3) + minutes(59)) == "30");
    CHECK(retain(start + days(3) + minutes(61)) == "20");
}

TEST_CASE("rollups are made anew of the details that are there", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Reference reference;
    std::mt19937 random(7);
    Lines lines;
    for (std::uint64_t seq = 0; seq < 40; ++seq) {
        const Batch batch = any_batch(random, seq);
        reference.add(batch);
        lines.batch(batch);
    }
    lines.store(*store, start);
    roll_up_all(*store);
    // Of a day whose details are gone in part, and one whose details are there.
    Batch gone = make_batch(100), later = make_batch(101), due = make_batch(102);
    gone.device_id = later.device_id = due.device_id = "pi-old";
    for (auto *batch : {&gone, &later}) {
        batch->timestamp = at("2020-01-01T10:00:10Z");
        for (auto &detection : batch->detections) detection.timestamp = at("2020-01-01T10:00:00Z");
    }
    reference.add(gone);
    reference.add(later);
    Lines().batch(gone).store(*store, start - days(40));
    Lines().batch(later).store(*store, start);
    roll_up_all(*store);
    auto clocks = clocks_at(start);
    room->rows("UPDATE batches SET lived_s = lived_s - 8640000 WHERE seq = 100 RETURNING id");
    room->rows("UPDATE batches SET received_at = 1 WHERE seq = 100 RETURNING id");
    while (store->retain({days(30), std::nullopt}, clocks).more) {
    }
    REQUIRE(room->text("SELECT count(*) FROM batches WHERE seq >= 100") == "1");
    room->rows(
        "UPDATE rollups SET detections = 77 WHERE bucket > 5000000 AND detections < 77"
        " AND device <> (SELECT id FROM devices WHERE device_id = 'pi-old') RETURNING bucket");
    room->rows(
        "DELETE FROM rollups_day WHERE device <> (SELECT id FROM devices WHERE device_id = 'pi-old')"
        " RETURNING day");
    room->rows("UPDATE rollups_hour SET place = place + 70, last = 11 WHERE hour > 450000 RETURNING hour");
    room->rows("DELETE FROM occupancy_rollups WHERE minutes = 60 AND number > 480000 RETURNING number");
    // What waits is merged once all the same.
    Lines().batch(due).store(*store, start);
    reference.add(due);
    std::size_t kept = 0;
    for (std::int64_t day = 0;;) {
        const auto done = store->rebuild_rollups(day);
        if (!done.day) break;
        kept += done.kept ? 1 : 0;
        day = *done.day + 1;
    }
    CHECK(kept == 1);
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("what an earlier version stored is rolled up in steps", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    Reference reference;
    std::mt19937 random(9);
    Lines lines;
    for (std::uint64_t seq = 0; seq < 1000; ++seq) {
        const Batch batch = any_batch(random, seq);
        reference.add(batch);
        lines.batch(batch);
    }
    lines.store(*make_store(room->name()), start);
    room->wait_alone();
    // The database as the version before had it.
    const std::string cascade = kind == in_postgres ? " CASCADE" : "";
    for (const auto *view : {"rollup_log", "occupancy_log"}) room->rows("DROP VIEW " + std::string(view));
    for (const auto *table : {"rollup_due", "rollups", "rollups_hour", "rollups_day", "rollup_days",
                              "occupancy_rollups", "occupancy_due", "device_places"})
        room->rows("DROP TABLE " + (table + cascade));
    for (const auto *column : {"rollup_hour_began_s", "rollup_hour_left"})
        room->rows("ALTER TABLE age DROP COLUMN " + std::string(column));
    room->rows("CREATE INDEX batches_series ON batches (device)");
    room->rows("DROP INDEX batches_told");
    room->rows(kind == in_postgres ? "UPDATE state SET version = 1" : "PRAGMA user_version = 9");
    set_log_level(LogLevel::error);
    const auto store = make_store(room->name());
    set_log_level(LogLevel::info);
    Batch later = make_batch(1000);
    reference.add(later);
    Lines().batch(later).store(*store, start);
    const auto first = store->roll_up(minutes(0));
    CHECK(first.more);
    CHECK(first.batches < 1000);
    CHECK(first.left + first.batches == 1000);
    CHECK(store->roll_up(minutes(0)).left < first.left);
    CHECK(roll_up_all(*store) > 200);
    check_equal(*room, reference);
}

TEST_CASE("a step that a limit of the database does not let come to its end is made smaller", "[rollup]") {
    const auto room = make_room(in_sqlite);
    const auto store = make_store(room->name());
    Reference reference;
    for (std::uint64_t seq = 0; seq < 30; ++seq) {
        const Batch batch = make_batch(seq, 10);
        reference.add(batch);
        Lines().batch(batch).store(*store, start);
    }
    room->rows("CREATE TABLE budget (ranges INTEGER)");
    room->rows("INSERT INTO budget VALUES (5)");
    room->rows(
        "CREATE TRIGGER limited BEFORE DELETE ON rollup_due BEGIN"
        " UPDATE budget SET ranges = ranges - 1;"
        " SELECT RAISE(ABORT, 'too long') FROM budget WHERE ranges < 0; END");
    std::size_t refused = 0;
    while (room->text("SELECT count(*) FROM rollup_due") != "0" && refused < 100) {
        room->rows("UPDATE budget SET ranges = 5");
        try {
            store->roll_up(minutes(0));
        } catch (const std::exception &) {
            ++refused;
        }
    }
    CHECK(refused > 2);
    CHECK(refused < 100);
    room->rows("DROP TRIGGER limited");
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("a batch with detections far apart is merged once, also between batches of one time", "[rollup]") {
    const auto room = make_room(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    CAPTURE(room->name());
    Reference reference;
    Lines lines;
    for (std::uint64_t seq = 0; seq < 3; ++seq) {
        Batch batch = make_batch(seq, 2);
        batch.detections[0].timestamp = start + seconds(10 * seq);
        batch.detections[1].timestamp = start + (seq == 1 ? seconds(hours(3)) : seconds(40 + seq));
        reference.add(batch);
        lines.batch(batch);
    }
    auto store = make_store(room->name());
    lines.store(*store, start);
    if (GENERATE(false, true)) store = make_store(room->name());  // which remembers nothing of them
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("what a rule of the database keeps out of the detections is not in the rollups", "[rollup]") {
    const auto room = make_room(in_sqlite);
    const auto store = make_store(room->name());
    room->rows(
        "CREATE TRIGGER rule BEFORE INSERT ON detections WHEN NEW.n = 1 BEGIN SELECT RAISE(IGNORE); END");
    Reference reference;
    for (std::uint64_t seq = 0; seq < 3; ++seq) {
        Batch batch = make_batch(seq, 3);
        Lines().batch(batch).store(*store, start);
        batch.detections.erase(batch.detections.begin() + 1);
        reference.add(batch);
    }
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("what an earlier version stored may end with a step", "[rollup]") {
    const auto room = make_room(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    CAPTURE(room->name());
    Reference reference;
    Lines lines, later;
    for (std::uint64_t seq = 0; seq <= 400; ++seq) {
        const Batch batch = make_batch(seq, 1);
        reference.add(batch);
        (seq < 400 ? lines : later).batch(batch);
    }
    const auto store = make_store(room->name());
    lines.store(*store, start);
    room->rows("UPDATE rollup_due SET detections = 0");  // how many there are is not known of these
    later.store(*store, start);
    room->rows(
        "UPDATE rollup_due SET to_batch = (SELECT max(from_batch) FROM rollup_due) - 1 WHERE detections = 0");
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("what is imported is merged once, also after retention deleted it", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind), other = make_room(kind);
    const auto store = make_store(room->name()), source = make_store(other->name());
    Reference reference;
    for (std::uint64_t seq = 0; seq < 3; ++seq) {
        reference.add(make_batch(seq));
        for (auto *each : {store.get(), source.get()}) Lines().batch(make_batch(seq)).store(*each, start);
    }
    Batch unnamed = make_batch(3);
    unnamed.position.reset();
    reference.add(unnamed);
    for (auto *each : {store.get(), source.get()}) Lines().batch(unnamed).store(*each, start);
    roll_up_all(*store);
    retain_all(*store, {days(30), days(700)}, start + days(31));
    REQUIRE(room->text("SELECT count(*) FROM batches") == "0");
    // Of the same time, but never merged here.
    Batch foreign = make_batch(5);
    foreign.device_id = "pi-2";
    reference.add(foreign);
    Lines().batch(foreign).store(*source, start);
    for (int twice = 0; twice < 2; ++twice) {
        import(*store, archive_of(*other), start + days(31));
        CHECK(room->text("SELECT count(*) FROM batches") == "4");
        roll_up_all(*store);
        check_equal(*room, reference);
    }
    const auto moved = make_room(kind);
    const auto target = make_store(moved->name());
    import(*target, archive_of(*other), start + days(31));
    roll_up_all(*target);
    check_equal(*moved, reference);
}

TEST_CASE("a day that retention begins with is not made anew any further", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Reference reference;
    for (std::uint64_t seq = 0; seq < 90; seq += 30) {  // five minutes each
        reference.add(make_batch(seq));
        Lines().batch(make_batch(seq)).store(*store, start);
    }
    roll_up_all(*store);
    expire_at_first_row(*room, kind);
    const auto done = store->rebuild_rollups(0);
    CHECK(done.day.has_value());
    CHECK(done.kept);
    CHECK(room->text("SELECT count(*) FROM detections") == "0");
    roll_up_all(*store);
    check_equal(*room, reference);
}

TEST_CASE("the rollups of a busy day go in steps", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Lines().batch(make_batch(0, 5'000)).store(*store, start);
    roll_up_all(*store);
    const auto count = [&](const std::string &table) {
        return std::stoi(room->text("SELECT count(*) FROM " + table));
    };
    REQUIRE(count("rollups_day") == 5'000);
    REQUIRE(count("rollups_hour") == 5'000);
    int left = 15'000, most = 0;
    for (bool more = true; more;) {
        more = store->retain(days(30), clocks_at(start + days(31))).more;
        const auto now = count("rollups") + count("rollups_hour") + count("rollups_day");
        most = std::max(most, std::exchange(left, now) - now);
    }
    CHECK(left == 0);
    CHECK(most <= 2'000);
}

TEST_CASE("a batch that is deleted leaves the days whole in which it has no detection", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Batch apart = make_batch(0, 3), between = make_batch(1);
    apart.detections[0].timestamp = start - days(20);
    apart.detections[1].timestamp = start - days(5);
    for (auto &detection : between.detections) detection.timestamp = start - days(10);
    Lines().batch(apart).store(*store, start);
    Lines().batch(between).store(*store, start + days(20));
    roll_up_all(*store);
    retain_all(*store, {days(30), std::nullopt}, start + days(31));
    REQUIRE(room->text("SELECT count(*) FROM batches") == "1");
    CHECK(room->rows("SELECT is_whole FROM rollup_days ORDER BY day") == Rows{"0", "1", "0", "0"});
}
