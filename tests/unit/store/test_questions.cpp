// What people ask of a store: the same answers from each database.
#include <algorithm>
#include <thread>

#include "catch.hpp"
#include "room.hpp"
#include "store/answer_fields.hpp"
#include "store/questions.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const Time start = at("2026-11-22T06:00:00Z");

// Pis whose windows are those of make_batch(): 10 s, back to back, the first one ending at `start`.
class Site {
  public:
    explicit Site(const std::string &kind) : room(make_room(kind)), store_(make_store(room->name())) {}

    static Batch batch(const std::string &pi, std::uint64_t seq, int detections) {
        Batch batch = make_batch(seq, detections);
        batch.device_id = pi;
        batch.name = "Room of " + pi;
        return batch;
    }
    void take(const Batch &batch) { Lines().batch(batch).store(*store_, received); }
    void take(const Gap &gap) { Lines().gap(gap).store(*store_, received); }
    // All that was about one advertiser, -40 dBm and near, is now at that strength.
    static Batch at_strength(Batch batch, int rssi, Zone zone) {
        for (auto &detection : batch.detections) {
            detection.rssi_dbm = rssi;
            detection.zone = zone;
        }
        return batch;
    }
    std::unique_ptr<Questions> ask(QuestionLimits limits = {}) const {
        return open_questions(room->name(), limits);
    }

    const std::unique_ptr<Room> room;
    Time received = start + hours(1);

  private:
    std::unique_ptr<Store> store_;
};

Scope scope() {
    Scope one;
    one.since = start - hours(1);
    one.until = one.present = start + hours(1);
    return one;
}

template <class Row>
Rows texts(const Answers<Row> &answers, const std::vector<std::string_view> &names) {
    Rows all;
    for (const auto &row : answers.rows) {
        std::string text;
        for (const auto &field : fields_of(row))
            if (std::find(names.begin(), names.end(), field.name) != names.end())
                text += plain_text(field.value) + '|';
        if (!text.empty()) text.pop_back();
        all.push_back(text);
    }
    return all;
}

const auto each_database = [] { return GENERATE(as<std::string>{}, in_sqlite, in_postgres); };

}  // namespace

TEST_CASE("how the Pis are") {
    Site site(each_database());
    Batch told = Site::batch("pi-2", 3, 1);
    told.clock_synced = false;
    told.version = "1.2.3";
    site.take(Site::batch("pi-1", 0, 1));
    site.take(told);
    site.received += minutes(10);
    site.take(Site::batch("pi-3", 0, 0));
    site.take(Site::batch("pi-4", 0, 0));
    site.room->rows("UPDATE devices SET is_active = 0 WHERE device_id = 'pi-4' RETURNING 1");
    Scope now_there = scope();
    now_there.present = start + hours(1) + minutes(10);
    CHECK(
        texts(site.ask()->pis(now_there), {"device_id", "name", "location", "state", "last_heard",
                                           "silent_since", "clock", "batches_missing", "version"}) ==
        Rows{"pi-1|Room of pi-1|2nd floor|silent|2026-11-22T07:00:00.000Z|2026-11-22T07:00:00.000Z|synced|0|",
             "pi-2|Room of pi-2|2nd "
             "floor|silent|2026-11-22T07:00:00.000Z|2026-11-22T07:00:00.000Z|unsynced|3|1.2.3",
             "pi-3|Room of pi-3|2nd floor|listening|2026-11-22T07:10:00.000Z||synced|0|",
             "pi-4|Room of pi-4|2nd floor|gone|2026-11-22T07:10:00.000Z||synced|0|"});
    now_there.place = "Room of pi-2";
    CHECK(texts(site.ask()->pis(now_there), {"device_id"}) == Rows{"pi-2"});
    now_there.place.reset();
    now_there.device = "pi-3";
    CHECK(texts(site.ask()->pis(now_there), {"device_id"}) == Rows{"pi-3"});
}

TEST_CASE("who is where: the Pi that hears each one best") {
    Site site(each_database());
    site.take(Site::at_strength(Site::batch("pi-1", 0, 2), -70, Zone::medium));
    site.take(Site::at_strength(Site::batch("pi-1", 1, 2), -60, Zone::medium));
    site.take(Site::at_strength(Site::batch("pi-2", 0, 1), -50, Zone::near));
    const auto columns = {std::string_view("device_hash"), std::string_view("device_id"),
                          std::string_view("rssi"),        std::string_view("zone"),
                          std::string_view("last"),        std::string_view("pis"),
                          std::string_view("detections")};
    CHECK(texts(site.ask()->presence(scope()), columns) ==
          Rows{hash_of(0) + "|pi-2|-50|near|2026-11-22T06:00:10.250Z|2|3",
               hash_of(1) + "|pi-1|-60|medium|2026-11-22T06:00:10.250Z|1|2"});
    Scope of_one = scope();
    of_one.device = "pi-1";
    CHECK(texts(site.ask()->presence(of_one), {"device_id", "rssi"}) == Rows{"pi-1|-60", "pi-1|-60"});
    of_one.device.reset();
    of_one.place = "Room of pi-2";
    CHECK(texts(site.ask()->presence(of_one), {"device_id", "rssi"}) == Rows{"pi-2|-50"});
    of_one = scope();
    of_one.since = start + seconds(5);
    of_one.until = start + seconds(15);
    CHECK(texts(site.ask()->presence(of_one), {"device_id", "detections"}) == Rows{"pi-1|1", "pi-1|1"});
}

TEST_CASE("one advertiser's way, and when nobody can tell") {
    Site site(each_database());
    const auto loud = [](const std::string &pi, std::uint64_t seq, int rssi) {
        return Site::at_strength(Site::batch(pi, seq, 1), rssi, rssi > -60 ? Zone::near : Zone::far);
    };
    site.take(loud("pi-1", 0, -50));
    site.take(loud("pi-1", 1, -71));
    site.take(loud("pi-2", 0, -80));
    for (const std::uint64_t seq : {1U, 2U, 3U}) site.take(Site::batch("pi-2", seq, 0));
    // Numbers 2 to 29 of pi-1 are missing; of pi-2 nothing is known after number 3.
    site.take(loud("pi-1", 30, -90));
    Scope asked = scope();
    asked.since = start - seconds(60);
    asked.until = start + seconds(10 * 30 + 1);
    const auto way = site.ask()->track({hash_of(0)}, asked);
    CHECK(texts(way, {"from", "until", "device_id", "what", "rssi", "mean_rssi", "zone", "detections",
                      "reason"}) ==
          Rows{"2026-11-22T06:00:00.000Z|2026-11-22T06:05:00.000Z|pi-1|heard|-50|-60.5|near|2|",
               "2026-11-22T06:00:00.000Z|2026-11-22T06:05:00.000Z|pi-2|heard|-80|-80.0|far|1|",
               "2026-11-22T06:00:10.000Z|2026-11-22T06:04:50.000Z|pi-1|gap|||||missing",
               "2026-11-22T06:00:30.000Z|2026-11-22T06:05:01.000Z|pi-2|silent|||||",
               "2026-11-22T06:05:00.000Z|2026-11-22T06:10:00.000Z|pi-1|heard|-90|-90.0|far|1|"});
    CHECK(texts(site.ask()->track({hash_of(0).substr(0, 10)}, asked), {"what"}) == texts(way, {"what"}));
    asked.every = minutes(1);
    asked.device = "pi-1";
    CHECK(texts(site.ask()->track({hash_of(0), hash_of(99)}, asked), {"from", "what"}) ==
          Rows{"2026-11-22T06:00:00.000Z|heard", "2026-11-22T06:00:10.000Z|gap",
               "2026-11-22T06:05:00.000Z|heard"});
}

TEST_CASE("an advertiser that is not one") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 40));
    const auto ask = site.ask();
    CHECK_THROWS_AS(ask->track({std::string(64, '0')}, scope()), Unknown);
    CHECK_THROWS_AS(ask->track({"x' OR 1"}, scope()), Unknown);
    CHECK_THROWS_AS(ask->track({""}, scope()), Unknown);
    std::string twice;  // the first digit of two of them
    for (const char digit : std::string("0123456789abcdef")) {
        int found = 0;
        for (int i = 0; i < 40; ++i) found += hash_of(i)[0] == digit ? 1 : 0;
        if (found > 1) twice = digit;
    }
    CHECK_THROWS_AS(ask->track({twice}, scope()), Ambiguous);
    Scope other = scope();
    other.device = "pi-9";
    CHECK_THROWS_AS(ask->presence(other), Unknown);
    other = scope();
    other.place = "Cellar";
    CHECK_THROWS_AS(ask->occupancy(other), Unknown);
    CHECK(ask->pis(scope()).rows.size() == 1);  // it goes on after all that
}

TEST_CASE("what an advertiser calls itself is told with where it is, by its latest detection") {
    Site site(each_database());
    const auto told = [](std::uint64_t seq, const std::string &details) {
        Batch batch = Site::batch("pi-1", seq, 2);
        batch.detections[0].details = details;
        return batch;
    };
    site.take(told(0, R"({"local_name":"Old","company":"76"})"));
    site.take(told(
        1,
        R"({"local_name":"Book trolley","beacon":{"ibeacon":{"uuid":"f7826da6-4fa2-4e98-8024-bc5b71e0893e","major":7,"minor":1}}})"));
    const auto columns = {std::string_view("device_hash"), std::string_view("advertiser_name"),
                          std::string_view("beacon"), std::string_view("company")};
    Scope hour = scope();
    hour.until = start + minutes(1);
    hour.since = hour.until - hours(1) - seconds(10);  // as blequery takes "now" for --since 1h
    CHECK(texts(site.ask()->presence(hour), columns) ==
          Rows{hash_of(0) + "|Book trolley|ibeacon f7826da6 7/1|", hash_of(1) + "|||"});
    Scope before = hour;
    before.until = start + seconds(5);
    CHECK(texts(site.ask()->presence(before), columns) == Rows{hash_of(0) + "|Old||76", hash_of(1) + "|||"});
    Scope day = scope();
    day.since -= hours(24);
    CHECK(texts(site.ask()->presence(day), columns) == Rows{hash_of(0) + "|||", hash_of(1) + "|||"});
}

TEST_CASE("how many were at each place, also when nobody was") {
    Site site(each_database());
    for (const char *pi : {"pi-1", "pi-2"}) {
        Batch one = Site::at_strength(Site::batch(pi, 1, 3), pi[3] == '1' ? -50 : -90,
                                      pi[3] == '1' ? Zone::near : Zone::far);
        one.name = "Hall";
        site.take(one);
    }
    site.take(Site::batch("pi-3", 40, 0));
    Batch counts = Site::batch("pi-4", 1, 0);
    counts.hash_id.reset();
    counts.occupancy = {3, 0, 12};
    site.take(counts);
    CHECK(texts(site.ask()->occupancy(scope()),
                {"from", "until", "name", "near", "medium", "far", "advertisers", "pis", "listened_s"}) ==
          Rows{"2026-11-22T06:00:00.000Z|2026-11-22T06:05:00.000Z|Hall|3|0|0|3|2|20.0",
               "2026-11-22T06:00:00.000Z|2026-11-22T06:05:00.000Z|Room of pi-4|3|0|12|15|1|10.0",
               "2026-11-22T06:05:00.000Z|2026-11-22T06:10:00.000Z|Room of pi-3|0|0|0|0|1|10.0"});
    Scope hall = scope();
    hall.place = "Hall";
    hall.device = "pi-2";
    CHECK(texts(site.ask()->occupancy(hall), {"name", "near", "far"}) == Rows{"Hall|0|3"});
    Scope each = scope();
    each.by_device = true;
    const auto columns = {std::string_view("from"), std::string_view("device_id"), std::string_view("name"),
                          std::string_view("near"), std::string_view("far"),       std::string_view("pis")};
    CHECK(texts(site.ask()->occupancy(each), columns) ==
          Rows{"2026-11-22T06:00:00.000Z|pi-1|Hall|3|0|1", "2026-11-22T06:00:00.000Z|pi-2|Hall|0|3|1",
               "2026-11-22T06:00:00.000Z|pi-4|Room of pi-4|3|12|1",
               "2026-11-22T06:05:00.000Z|pi-3|Room of pi-3|0|0|1"});
    QuestionLimits limits;
    limits.rows = 2;
    const auto some = site.ask(limits)->occupancy(each);
    CHECK(some.more);
    CHECK(texts(some, {"device_id"}) == Rows{"pi-4", "pi-3"});
    each.place = "Hall";
    each.device = "pi-2";
    CHECK(texts(site.ask()->occupancy(each), {"device_id", "far"}) == Rows{"pi-2|3"});
}

TEST_CASE("a window is counted in each step in which it listened") {
    Site site(each_database());
    Batch one = Site::batch("pi-1", 0, 0);
    *one.timestamp = start + minutes(8);
    one.window_ms = 600'000;
    site.take(one);
    CHECK(texts(site.ask()->occupancy(scope()), {"from", "advertisers", "pis", "listened_s"}) ==
          Rows{"2026-11-22T05:55:00.000Z|0|1|120.0", "2026-11-22T06:00:00.000Z|0|1|300.0",
               "2026-11-22T06:05:00.000Z|0|1|180.0"});
    Scope part = scope();
    part.since = start + minutes(1);
    part.until = start + minutes(6);
    CHECK(texts(site.ask()->occupancy(part), {"from", "listened_s"}) ==
          Rows{"2026-11-22T06:00:00.000Z|240.0", "2026-11-22T06:05:00.000Z|60.0"});
}

TEST_CASE("a step between two windows tells of nobody's absence") {
    Site site(each_database());
    for (int i = 0; i < 4; ++i) {
        Batch one = Site::batch("pi-1", static_cast<std::uint64_t>(i), 1);
        *one.timestamp = one.detections[0].timestamp = start + minutes(10 * i) + seconds(30);
        one.interval_ms = 600'000;
        site.take(one);
    }
    CHECK(texts(site.ask()->occupancy(scope()), {"from", "advertisers", "pis"}) ==
          Rows{"2026-11-22T06:00:00.000Z|1|1", "2026-11-22T06:10:00.000Z|1|1", "2026-11-22T06:20:00.000Z|1|1",
               "2026-11-22T06:30:00.000Z|1|1"});
}

TEST_CASE("when each Pi listened, and why not") {
    Site site(each_database());
    for (const std::uint64_t seq : {0U, 1U, 2U, 8U, 9U}) site.take(Site::batch("pi-1", seq, 0));
    site.take(Gap{"pi-1", "run", 3, 5, "buffer_full"});
    Batch moved = Site::batch("pi-1", 10, 0), late = Site::batch("pi-2", 100, 0);
    moved.name = "Elsewhere";
    site.take(moved);
    late.position.reset();
    site.take(late);
    const auto columns = {std::string_view("device_id"), std::string_view("name"),
                          std::string_view("what"),      std::string_view("from"),
                          std::string_view("until"),     std::string_view("reason"),
                          std::string_view("windows")};
    Scope asked = scope();
    const auto found = texts(site.ask()->coverage(asked), columns);
    const auto has = [&](const std::string &row) {
        return std::find(found.begin(), found.end(), row) != found.end();
    };
    CHECK(has("pi-1|Room of pi-1|listening|2026-11-22T05:59:50.000Z|2026-11-22T06:00:20.000Z||3"));
    CHECK(has("pi-1|Room of pi-1|listening|2026-11-22T06:01:10.000Z|2026-11-22T06:01:30.000Z||2"));
    CHECK(has("pi-1|Elsewhere|listening|2026-11-22T06:01:30.000Z|2026-11-22T06:01:40.000Z||1"));
    CHECK(has("pi-1|Elsewhere|silent|2026-11-22T06:01:40.000Z|2026-11-22T07:00:00.000Z||"));
    CHECK(has("pi-2|Room of pi-2|listening|2026-11-22T06:16:30.000Z|2026-11-22T06:16:40.000Z||1"));
    CHECK(has("pi-2|Room of pi-2|silent|2026-11-22T06:16:40.000Z|2026-11-22T07:00:00.000Z||"));
    CHECK(
        has("pi-1|Room of pi-1|gap|2026-11-22T06:00:20.000Z|2026-11-22T06:01:10.000Z|buffer_full, missing|"));
    CHECK(found.size() == 7);
    // Not before it was there, and not silent yet.
    asked.present = asked.until = start + seconds(10 * 100 + 200);
    asked.device = "pi-2";
    CHECK(texts(site.ask()->coverage(asked), {"what"}) == Rows{"listening"});
    asked.device = "pi-1";
    asked.place = "Elsewhere";
    CHECK(texts(site.ask()->coverage(asked), {"what"}) == Rows{"listening", "silent"});
}

TEST_CASE("what is missing") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 0));
    site.take(Site::batch("pi-1", 5, 0));
    Scope whole = scope();
    whole.until = start + hours(2);
    CHECK(texts(site.ask()->missing(whole),
                {"what", "device_id", "reason", "batches", "from_seq", "to_seq", "lost_from", "lost_to"}) ==
          Rows{"device|pi-1|silent|||||",
               "batches|pi-1|missing|4|2026-11-22T06:00:00.000Z|2026-11-22T06:00:40.000Z|1|4"});
    Scope later = scope();
    later.since = start + hours(2);
    later.until = start + hours(3);
    CHECK(texts(site.ask()->missing(later), {"what"}) == Rows{"device"});
    CHECK(texts(site.ask()->missing(scope()), {"what"}) ==
          Rows{"batches"});  // it was heard at the end of that
}

TEST_CASE("who was heard most") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 2));
    site.take(Site::batch("pi-2", 0, 1));
    CHECK(texts(site.ask()->top(scope()), {"device_hash", "detections", "pis", "rssi", "first", "last"}) ==
          Rows{hash_of(0) + "|2|2|-40|2026-11-22T06:00:00.250Z|2026-11-22T06:00:00.250Z",
               hash_of(1) + "|1|1|-41|2026-11-22T06:00:00.250Z|2026-11-22T06:00:00.250Z"});
}

TEST_CASE("of many rows, the latest ones") {
    Site site(each_database());
    for (std::uint64_t seq = 0; seq < 100; seq += 10) site.take(Site::batch("pi-1", seq, 1));
    Scope asked = scope();
    asked.every = seconds(10);
    QuestionLimits limits;
    limits.rows = 3;
    const auto some = site.ask(limits)->occupancy(asked);
    CHECK(some.more);
    CHECK(texts(some, {"from"}) ==
          Rows{"2026-11-22T06:13:20.000Z", "2026-11-22T06:14:50.000Z", "2026-11-22T06:15:00.000Z"});
    limits.rows = 20;  // of each, the ten seconds in which it listened and those in which somebody was heard
    CHECK_FALSE(site.ask(limits)->occupancy(asked).more);
    limits.rows = 3;
    const auto way = site.ask(limits)->track({hash_of(0)}, asked);
    CHECK(way.more);
    CHECK(way.rows.front().from == at("2026-11-22T06:11:40Z"));
    CHECK(std::count_if(way.rows.begin(), way.rows.end(),
                        [](const auto &row) { return !row.not_heard_because; }) == 3);  // and the rest on top
    CHECK(way.rows.size() > 3);
    const auto coverage = site.ask(limits)->coverage(asked);
    CHECK(coverage.more);
    CHECK(texts(coverage, {"what", "from"}) == Rows{"gap|2026-11-22T06:13:20.000Z",
                                                    "listening|2026-11-22T06:14:50.000Z",
                                                    "silent|2026-11-22T06:15:00.000Z"});
    limits.rows = 20;
    CHECK_FALSE(site.ask(limits)->coverage(asked).more);
}

TEST_CASE("what other Pis did takes no room in an answer about one place") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 1));
    for (std::uint64_t seq = 0; seq < 100; seq += 10) site.take(Site::batch("pi-2", seq, 1));
    Scope asked = scope();
    QuestionLimits limits;
    limits.rows = 2;
    const auto all = site.ask(limits)->coverage(asked);
    CHECK(all.rows.size() == 2);
    CHECK(all.more);
    asked.place = "Room of pi-1";
    const auto one = site.ask(limits)->coverage(asked);
    CHECK(texts(one, {"device_id", "what"}) == Rows{"pi-1|listening", "pi-1|silent"});
    CHECK_FALSE(one.more);
}

TEST_CASE("an empty answer tells whether anybody listened") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 0));
    Scope asked = scope();
    CHECK(site.ask()->presence(asked).anybody_listened == true);
    CHECK(site.ask()->top(asked).anybody_listened == true);
    asked.since = start + minutes(10);
    CHECK(site.ask()->presence(asked).anybody_listened == false);
    CHECK(site.ask()->occupancy(asked).anybody_listened == false);
}

TEST_CASE("a question that takes too long is ended, and the next one is answered") {
    const std::string kind = each_database();
    Site site(kind);
    for (std::uint64_t seq = 0; seq < 40; ++seq) site.take(Site::batch("pi-1", seq, 50));
    // Each row of it takes a while.
    const auto slow =
        kind == in_sqlite
            ? Rows{"ALTER TABLE devices RENAME TO real_devices",
                   "CREATE VIEW devices AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                   "WHERE i < 2000000000)"
                   " SELECT real_devices.* FROM real_devices WHERE (SELECT count(*) FROM n) > 0"}
            : Rows{"ALTER TABLE devices RENAME TO real_devices",
                   "CREATE VIEW devices AS SELECT real_devices.* FROM real_devices WHERE pg_sleep(100) IS "
                   "NOT NULL"};
    QuestionLimits limits;
    limits.longest = std::chrono::milliseconds(50);
    const auto ask = site.ask(limits);
    if (kind == in_sqlite) site.room->rows("PRAGMA legacy_alter_table = ON");
    for (const auto &sql : slow) site.room->rows(sql);
    Scope asked = scope();
    CHECK_THROWS_AS(ask->pis(asked), TooSlow);
    CHECK(ask->top(asked).rows.size() == 50);
}

TEST_CASE("a request to stop ends a question") {
    Site site(each_database());
    site.take(Site::batch("pi-1", 0, 1));
    bool go_on = true;
    const auto ask = open_questions(site.room->name(), {}, [&] { return go_on; });
    CHECK(ask->pis(scope()).rows.size() == 1);
    go_on = false;
    // SQLite asks after some thousand steps: a short question may be through by then.
    if (site.room->name().starts_with("postgres")) CHECK_THROWS_AS(ask->pis(scope()), StoreTrouble);
}

TEST_CASE("a row as JSON leaves out what is not known, and does no harm on a terminal") {
    PiState pi;
    pi.spot = {"pi-1", "a\"\x1b[31m\n\xe2\x80\xae", {}};
    pi.last_heard = start;
    CHECK(print_json(fields_of(pi)) ==
          "{\"device_id\":\"pi-1\",\"name\":\"a\\\"\\u001b[31m\\n\\u202e\",\"state\":\"listening\","
          "\"last_heard\":\"2026-11-22T06:00:00.000Z\",\"batches_missing\":0,\"conflicts\":0}");
    TrackPoint point;
    point.rssi = -61;
    point.rssi_sum = -125;
    point.detections = 2;
    CHECK(print_json(fields_of(point)).find("\"mean_rssi\":-62.5,") != std::string::npos);
}
