// What an advertiser told last, with its track: the same from each database, whether it is rolled up or not.
#include "catch.hpp"
#include "room.hpp"
#include "store/questions.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const Time start = at("2026-11-22T06:00:00Z");

// One batch a minute at most, with one advertiser; by which Pi it is heard, and what it tells.
class Site {
  public:
    explicit Site(const std::string &kind) : room(make_room(kind)), store(make_store(room->name())) {}

    void take(int minute, const std::string &details, const std::string &pi = "pi-1") const {
        Batch batch = make_batch(static_cast<std::uint64_t>(minute), 1);
        batch.device_id = pi;
        batch.name = "Room of " + pi;
        batch.timestamp = batch.detections[0].timestamp = start + minutes(minute);
        batch.detections[0].details = details;
        Lines().batch(batch).store(*store, start + hours(2));
    }
    void roll_up() const {
        while (store->roll_up(minutes(1440)).more) {
        }
    }
    std::vector<TrackPoint> track(const Scope &scope, std::int64_t rows = 1000) const {
        QuestionLimits limits;
        limits.rows = rows;
        return open_questions(room->name(), limits)->track({hash_of(0)}, scope).rows;
    }
    // As "name|beacon|company", of the only row that has them, which is the last one in which it was heard.
    std::string told(const Scope &scope, std::int64_t rows = 1000) const {
        std::string text;
        for (const auto &point : track(scope, rows)) {
            if (point.not_heard_because) {
                CHECK(point.told == Told{});
                continue;
            }
            CHECK((text.empty() || text == "||"));
            text = point.told.name + '|' + point.told.beacon + '|' + point.told.company;
        }
        return text;
    }

    const std::unique_ptr<Room> room;
    const std::unique_ptr<Store> store;
};

Scope until(Time end) {
    Scope scope;
    scope.since = start - hours(50);
    scope.until = scope.present = end;
    return scope;
}

const auto each_database = [] { return GENERATE(as<std::string>{}, in_sqlite, in_postgres); };

}  // namespace

TEST_CASE("a track has what its advertiser told last within the time", "[told]") {
    const Site site(each_database());
    site.take(0, R"({"local_name":"Old","company":"76"})");
    site.take(1, R"({"local_name":"Trolley \u001b[31m\"'; --"})");
    site.take(2, R"({"beacon":{"eddystone_url":{"url":"https://x"}},"tx_power":-7})");
    site.take(3, R"({"local_name":7,"beacon":"none"})", "pi-2");
    site.take(4, "");
    for (const bool rolled_up : {false, true}) {
        CAPTURE(rolled_up);
        if (rolled_up) site.roll_up();
        for (const Scope &scope : {until(start + minutes(5)), until(start + hours(1))})
            for (const std::chrono::milliseconds every : {std::chrono::milliseconds(minutes(5)),
                                                          {seconds(90)},
                                                          {minutes(7)},
                                                          {hours(1)},
                                                          {hours(24)}}) {
                Scope in_steps = scope;
                in_steps.every = every;
                CAPTURE(every.count());
                // A number is a name too.
                CHECK(site.told(in_steps) == "7|eddystone_url https://x|76");
            }
        CHECK(site.told(until(start + minutes(3))) == "Trolley \x1b[31m\"'; --|eddystone_url https://x|76");
        CHECK(site.told(until(start + minutes(2))) == "Trolley \x1b[31m\"'; --||76");
        CHECK(site.told(until(start + minutes(1))) == "Old||76");
        Scope one = until(start + hours(1));
        one.device = "pi-1";
        CHECK(site.told(one) == "Trolley \x1b[31m\"'; --|eddystone_url https://x|76");
        one.device.reset();
        one.place = "Room of pi-2";
        CHECK(site.told(one) == "7||");
        one = until(start + hours(1));
        one.since = start + seconds(90);
        one.device = "pi-1";
        CHECK(site.told(one) == "|eddystone_url https://x|");
    }
}

TEST_CASE("a name is looked for in the last three of the five minutes in which it was heard", "[told]") {
    const Site site(each_database());
    site.take(0, R"({"local_name":"Trolley"})");
    site.take(31, R"({"company":"76"})");
    site.take(32, "", "pi-2");
    site.take(62, "");
    for (const bool rolled_up : {false, true}) {
        CAPTURE(rolled_up);
        if (rolled_up) site.roll_up();
        Scope scope = until(start + minutes(63));
        for (const auto every : {minutes(1), minutes(5), minutes(60), minutes(1440)}) {
            CAPTURE(every.count());
            scope.every = every;
            for (const std::int64_t rows : {1, 2, 1000}) CHECK(site.told(scope, rows) == "Trolley||76");
        }
    }
    site.take(70, "");
    CHECK(site.told(until(start + minutes(71))) == "||76");
    CHECK(site.told(until(start + minutes(63))) == "Trolley||76");
}

TEST_CASE("a beacon that was told before the name is told too", "[told]") {
    const Site site(each_database());
    site.take(4, R"({"beacon":{"eddystone_url":{"url":"https://x"}}})");
    site.take(6, R"({"local_name":"Trolley"})");
    site.take(12, R"({"local_name":"Cart"})");
    CHECK(site.told(until(start + hours(1))) == "Cart|eddystone_url https://x|");
    site.take(18, "");
    CHECK(site.told(until(start + hours(1))) == "Cart||");
}

TEST_CASE("what details told that are deleted is not known", "[told]") {
    const Site site(each_database());
    site.take(0, R"({"local_name":"Trolley"})");
    site.roll_up();
    const Scope whole = until(start + hours(1)), part = until(start + seconds(30));
    CHECK(site.told(whole) == "Trolley||");
    while (site.store->retain({hours(24), hours(24 * 700)}, clocks_at(start + hours(72))).more) {
    }
    REQUIRE(site.room->text("SELECT count(*) FROM detections") == "0");
    for (const Scope &scope : {whole, part}) {
        CHECK_FALSE(site.track(scope).at(0).not_heard_because);
        CHECK(site.told(scope) == "||");
    }
}
