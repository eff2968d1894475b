// Questions that rollups answer: the same answers as of the detections, whatever is merged by then, and whatever is deleted.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <tuple>

#include "catch.hpp"
#include "room.hpp"
#include "store/answer_fields.hpp"
#include "store/questions.hpp"
#include "store/sqlite/rolled_questions.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const Time start = at("2026-11-20T21:00:00Z");
constexpr int span_s = 50 * 3600;  // two whole days, and parts of two more

std::int64_t ms(Time time) {
    return time.time_since_epoch() / milliseconds(1);
}

std::int64_t step_of(Time time, const Scope &scope) {
    return ms(time) / scope.every.count();
}

std::string counted_at(const std::string &pi, const std::optional<std::string> &name, const Scope &scope) {
    return (scope.by_device ? pi + " " : "") + name.value_or("");
}

// What was stored, and the answers that it gives by a plain count.
class Heard {
  public:
    void add(const Batch &batch) { batches_.push_back(batch); }
    // A rollup does not know which Pi told a number: then it is known of the batches alone, some or all of which are deleted.
    enum class NumbersOfPis { known, some, none } numbers_of_pis = NumbersOfPis::known;

    Rows track(const Scope &scope) const {
        struct Point {
            std::int64_t detections = 0, strongest = -1000, sum = 0, zone = 9;
        };
        std::map<std::tuple<std::int64_t, std::string, std::string>, Point> points;
        each(scope, [&](const Batch &batch, const Detection &detection) {
            if (detection.device_hash.text() != hash_of(0)) return;
            auto &point =
                points[{step_of(detection.timestamp, scope), batch.device_id, batch.name.value_or("")}];
            ++point.detections;
            point.strongest = std::max<std::int64_t>(point.strongest, detection.rssi_dbm);
            point.sum += detection.rssi_dbm;
            point.zone = std::min(point.zone, static_cast<std::int64_t>(detection.zone));
        });
        Rows rows;
        for (const auto &[key, point] : points) {
            std::ostringstream row;
            row << std::get<0>(key) << '|' << std::get<1>(key) << '|' << std::get<2>(key) << '|'
                << point.detections << '|' << point.strongest << '|' << point.sum << '|' << point.zone;
            rows.push_back(row.str());
        }
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    // Rows in which somebody was heard.
    Rows occupancy(const Scope &scope) const {
        struct Place {
            std::map<std::string, std::int64_t> zones;
            std::int64_t told[3]{};
        };
        std::map<std::pair<std::int64_t, std::string>, Place> places;
        each(scope, [&](const Batch &batch, const Detection &detection) {
            auto &zones =
                places[{step_of(detection.timestamp, scope), counted_at(batch.device_id, batch.name, scope)}]
                    .zones;
            auto &zone = zones.try_emplace(std::string(detection.device_hash.text()), 9).first->second;
            zone = std::min(zone, static_cast<std::int64_t>(detection.zone));
        });
        for (const auto &batch : batches_) {
            const Time end = *batch.timestamp;
            if ((scope.device || scope.by_device) && numbers_of_pis == NumbersOfPis::none) continue;
            if (!batch.occupancy || !is_chosen(batch, scope) || end < scope.since || end >= scope.until)
                continue;
            auto &told = places[{step_of(end, scope), counted_at(batch.device_id, batch.name, scope)}].told;
            told[0] = std::max<std::int64_t>(told[0], batch.occupancy->near);
            told[1] = std::max<std::int64_t>(told[1], batch.occupancy->medium);
            told[2] = std::max<std::int64_t>(told[2], batch.occupancy->far);
        }
        Rows rows;
        for (const auto &[key, place] : places) {
            std::int64_t counts[3]{};
            for (const auto &[hash, zone] : place.zones) ++counts[zone];
            for (int zone = 0; zone < 3; ++zone) counts[zone] = std::max(counts[zone], place.told[zone]);
            if (counts[0] + counts[1] + counts[2] == 0) continue;
            std::ostringstream row;
            row << key.first << '|' << key.second << '|' << counts[0] << '|' << counts[1] << '|' << counts[2];
            rows.push_back(row.str());
        }
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    // For each advertiser: hash, strongest, Pis, detections, last; those that two hear equally well without its Pi and zone.
    Rows presence(const Scope &scope) const {
        struct Seat {
            std::int64_t strongest = -1000, zone = 9;
        };
        struct Who {
            std::map<std::pair<std::string, std::string>, Seat> seats;
            std::int64_t detections = 0;
            Time last{};
        };
        std::map<std::string, Who> all;
        each(scope, [&](const Batch &batch, const Detection &detection) {
            auto &who = all[std::string(detection.device_hash.text())];
            auto &seat = who.seats[{batch.device_id, batch.name.value_or("")}];
            seat.strongest = std::max<std::int64_t>(seat.strongest, detection.rssi_dbm);
            seat.zone = std::min(seat.zone, static_cast<std::int64_t>(detection.zone));
            ++who.detections;
            who.last = std::max(who.last, detection.timestamp);
        });
        Rows rows;
        for (const auto &[hash, who] : all) {
            auto best = who.seats.begin();
            for (auto seat = who.seats.begin(); seat != who.seats.end(); ++seat)
                if (seat->second.strongest > best->second.strongest) best = seat;
            std::ostringstream row;
            std::set<std::string> pis;
            for (const auto &[seat, heard] : who.seats) pis.insert(seat.first);
            row << hash << '|' << best->second.strongest << '|' << pis.size() << '|' << who.detections << '|'
                << ms(who.last) / 300'000;
            const auto as_strong = std::count_if(who.seats.begin(), who.seats.end(), [&](const auto &seat) {
                return seat.second.strongest == best->second.strongest;
            });
            if (as_strong == 1)
                row << '|' << best->first.first << '|' << best->first.second << '|' << best->second.zone;
            rows.push_back(row.str());
        }
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    Rows top(const Scope &scope) const {
        struct Who {
            std::int64_t detections = 0, strongest = -1000;
            std::set<std::string> pis;
            Time first = Time::max(), last{};
        };
        std::map<std::string, Who> all;
        each(scope, [&](const Batch &batch, const Detection &detection) {
            auto &who = all[std::string(detection.device_hash.text())];
            ++who.detections;
            who.pis.insert(batch.device_id);
            who.strongest = std::max<std::int64_t>(who.strongest, detection.rssi_dbm);
            who.first = std::min(who.first, detection.timestamp);
            who.last = std::max(who.last, detection.timestamp);
        });
        Rows rows;
        for (const auto &[hash, who] : all) {
            std::ostringstream row;
            row << hash << '|' << who.detections << '|' << who.pis.size() << '|' << who.strongest << '|'
                << ms(who.first) / 300'000 << '|' << ms(who.last) / 300'000;
            rows.push_back(row.str());
        }
        std::sort(rows.begin(), rows.end());
        return rows;
    }

  private:
    static bool is_chosen(const Batch &batch, const Scope &scope) {
        return (!scope.device || batch.device_id == *scope.device) &&
               (!scope.place || batch.name == scope.place);
    }
    template <class Body>
    void each(const Scope &scope, Body body) const {
        for (const auto &batch : batches_) {
            if (!is_chosen(batch, scope)) continue;
            for (const auto &detection : batch.detections)
                if (detection.timestamp >= scope.since && detection.timestamp < scope.until)
                    body(batch, detection);
        }
    }

    std::vector<Batch> batches_;
};

Rows track(Questions &questions, const Scope &scope) {
    Rows rows;
    for (const auto &point : questions.track({hash_of(0)}, scope).rows) {
        if (point.not_heard_because) continue;
        CHECK(point.device_hash == hash_of(0));
        std::ostringstream row;
        row << step_of(point.from, scope) << '|' << point.spot.device_id << '|'
            << point.spot.name.value_or("") << '|' << point.detections << '|' << point.rssi << '|'
            << point.rssi_sum << '|' << static_cast<int>(point.zone);
        rows.push_back(row.str());
    }
    std::sort(rows.begin(), rows.end());
    return rows;
}

Rows occupancy(Questions &questions, const Scope &scope) {
    Rows rows;
    for (const auto &one : questions.occupancy(scope).rows) {
        if (one.near + one.medium + one.far == 0) continue;
        std::ostringstream row;
        row << step_of(one.from, scope) << '|' << counted_at(one.device_id.value_or("no Pi"), one.name, scope)
            << '|' << one.near << '|' << one.medium << '|' << one.far;
        rows.push_back(row.str());
    }
    std::sort(rows.begin(), rows.end());
    return rows;
}

// As Heard::presence() has them: `expected` tells which of them have no Pi and zone.
Rows presence(Questions &questions, const Scope &scope, const Rows &expected) {
    Rows rows;
    for (const auto &one : questions.presence(scope).rows) {
        std::ostringstream row, seat;
        row << one.device_hash << '|' << one.rssi << '|' << one.pis << '|' << one.detections << '|'
            << ms(one.last) / 300'000;
        seat << '|' << one.spot.device_id << '|' << one.spot.name.value_or("") << '|'
             << static_cast<int>(one.zone);
        const bool alone = std::find(expected.begin(), expected.end(), row.str()) == expected.end();
        rows.push_back(row.str() + (alone ? seat.str() : ""));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
}

Rows top(Questions &questions, const Scope &scope) {
    Rows rows;
    std::int64_t before = INT64_MAX;
    for (const auto &one : questions.top(scope).rows) {
        CHECK(one.detections <= before);
        before = one.detections;
        std::ostringstream row;
        row << one.device_hash << '|' << one.detections << '|' << one.pis << '|' << one.rssi << '|'
            << ms(one.first) / 300'000 << '|' << ms(one.last) / 300'000;
        rows.push_back(row.str());
    }
    std::sort(rows.begin(), rows.end());
    return rows;
}

void check_equal(Room &room, const Heard &heard, const Scope &scope) {
    CAPTURE(format_ms(scope.since), format_ms(scope.until), scope.every.count(), scope.device.value_or(""),
            scope.place.value_or(""));
    QuestionLimits limits;
    limits.rows = 100'000;
    const auto questions = open_questions(room.name(), limits);
    CHECK(track(*questions, scope) == heard.track(scope));
    Scope told = scope;
    if (heard.numbers_of_pis == Heard::NumbersOfPis::some) told.device.reset();
    CHECK(occupancy(*questions, told) == heard.occupancy(told));
    told.by_device = true;
    if (heard.numbers_of_pis != Heard::NumbersOfPis::some)
        CHECK(occupancy(*questions, told) == heard.occupancy(told));
    const auto who = heard.presence(scope);
    CHECK(presence(*questions, scope, who) == who);
    CHECK(top(*questions, scope) == heard.top(scope));
}

// Of any Pi or place, and of any time; `whole`: of whole five minutes.
Scope any_scope(std::mt19937 &random, bool whole) {
    constexpr minutes steps[] = {minutes(5), minutes(15), hours(1), days(1), days(2)};
    Scope scope;
    scope.every = steps[random() % 5];
    const auto unit = whole ? 300 : 1;
    scope.since = start + seconds(random() % span_s / unit * unit);
    scope.until = scope.since + seconds(random() % (random() % 2 == 0 ? 1'000 : span_s) / unit * unit);
    scope.present = start + days(4);
    if (random() % 4 == 0) scope.device = "pi-" + std::to_string(random() % 3);
    if (random() % 4 == 0) scope.place = "place " + std::to_string(random() % 2);
    return scope;
}

// Of three Pis that move between two places and one that has none; now and then one whose clock was set within the window.
Batch any_batch(std::mt19937 &random, std::uint64_t seq) {
    Batch batch = make_batch(seq, 0);
    batch.device_id = "pi-" + std::to_string(random() % 3);
    const auto place = random() % 3;
    batch.name = "place " + std::to_string(place);
    if (place == 2) {
        batch.name.reset();
        batch.location.reset();
    }
    batch.timestamp = start + seconds(random() % span_s);
    if (random() % 8 == 0) {
        const auto number = [&] { return static_cast<std::uint32_t>(random() % 4); };
        batch.hash_id.reset();
        batch.occupancy = {number(), number(), number()};
        return batch;
    }
    for (auto left = random() % 6; left > 0; --left) {
        Detection one = make_batch(seq, 1).detections[0];
        one.device_hash = DeviceHash(hash_of(static_cast<int>(random() % 4)));
        one.rssi_dbm = -30 - static_cast<int>(random() % 70);
        one.zone = static_cast<Zone>(random() % 3);
        one.timestamp = random() % 60 == 0 ? start + seconds(random() % span_s)
                                           : *batch.timestamp - milliseconds(random() % 10'000);
        batch.detections.push_back(one);
    }
    return batch;
}

void roll_up_all(Store &store, minutes occupancy = minutes(1440)) {
    while (store.roll_up(occupancy).more) {
    }
}

// Deletes batches, and no rollup, as many as so many hours allow.
void delete_older(Store &store, hours keep, Time time, int hours_of_it) {
    for (int i = 0; i < hours_of_it; ++i)
        while (store.retain({keep, days(700)}, clocks_at(time + hours(i))).more) {
        }
}

void check_some(std::mt19937 &random, Room &room, const Heard &heard, bool whole) {
    for (int i = 0; i < 12; ++i) check_equal(room, heard, any_scope(random, whole));
}

// Every batch that is about one advertiser, one a minute.
Batch minute(int number) {
    Batch batch = make_batch(static_cast<std::uint64_t>(number), 1);
    batch.timestamp = batch.detections[0].timestamp = start + minutes(number);
    return batch;
}

Scope scope_of(Time since, Time until) {
    Scope scope;
    scope.since = since;
    scope.until = until;
    scope.present = start + days(4);
    return scope;
}

}  // namespace

TEST_CASE("answers of rollups are those of the detections, whatever is merged or deleted", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    const auto seed = GENERATE(1u, 2u, 3u);
    CAPTURE(kind, seed);
    std::mt19937 random(seed);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Heard heard;
    std::uint64_t seq = 0;
    const auto take = [&](int number) {
        for (; number > 0; --number) {
            const auto batch = any_batch(random, seq++);
            Lines().batch(batch).store(*store, start + seconds(span_s) / 300 * static_cast<int>(seq));
            heard.add(batch);
        }
    };
    take(150);
    check_some(random, *room, heard, false);  // nothing is merged
    roll_up_all(*store);
    check_some(random, *room, heard, false);  // all is
    take(75);
    check_some(random, *room, heard, false);  // a part is
    roll_up_all(*store, minutes(5));
    check_some(random, *room, heard, false);  // all are, and hours not made anew
    take(75);
    check_some(random, *room, heard, false);
    roll_up_all(*store);
    delete_older(*store, hours(60), start + hours(85), 1);  // some batches are deleted
    const auto left = std::stoi(room->text("SELECT count(*) FROM batches"));
    CHECK((left > 0 && left < 300));
    heard.numbers_of_pis = Heard::NumbersOfPis::some;
    check_some(random, *room, heard, true);
    delete_older(*store, hours(60), start + days(9), 4);  // all are
    CHECK(room->text("SELECT count(*) FROM batches") == "0");
    heard.numbers_of_pis = Heard::NumbersOfPis::none;
    check_some(random, *room, heard, true);
}

TEST_CASE("five minutes that are asked for in part are told as a whole when their details are deleted",
          "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    const auto take = [&](int number, Time received) {
        Lines().batch(minute(number)).store(*store, received);
    };
    for (int i = 0; i < 10; ++i) take(i, start);
    for (int i = 10; i < 20; ++i) take(i, start + days(3));
    const auto detections = [&](int since, int until) {
        std::int64_t sum = 0;
        const auto found =
            open_questions(room->name())
                ->track({hash_of(0)}, scope_of(start + minutes(since), start + minutes(until)));
        for (const auto &point : found.rows) sum += point.detections;
        return sum;
    };
    for (const bool merged : {false, true}) {
        CAPTURE(merged);
        if (merged) roll_up_all(*store);
        CHECK(detections(2, 18) == 16);
        CHECK(detections(2, 4) == 2);
    }
    delete_older(*store, hours(48), start + days(4), 1);
    REQUIRE(room->text("SELECT count(*) FROM detections") == "10");
    CHECK(detections(2, 18) == 18);  // from the beginning of the five minutes on
    CHECK(detections(2, 4) == 5);
    CHECK(detections(2, 7) == 10);
    CHECK(detections(12, 18) == 6);
}

TEST_CASE("who was there within an hour is told by rollups where details of it are deleted", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    const Time begin = start + hours(1);
    for (int i = 20; i < 40; ++i) {
        Batch batch = make_batch(static_cast<std::uint64_t>(i), 1);
        *batch.timestamp = batch.detections[0].timestamp = begin + minutes(i);
        Lines().batch(batch).store(*store, start);
    }
    Batch numbers = make_batch(100, 0);
    numbers.hash_id.reset();
    *numbers.timestamp = begin + minutes(3);
    numbers.occupancy = {5, 2, 1};
    Lines().batch(numbers).store(*store, start);
    roll_up_all(*store);
    delete_older(*store, hours(24), start + days(2), 1);
    REQUIRE(room->text("SELECT count(*) FROM batches") == "0");
    const auto ask = open_questions(room->name());
    for (const auto &[since, until] : {std::pair(0, 60), {18, 43}}) {
        const Scope scope = scope_of(begin + minutes(since), begin + minutes(until));
        const auto top = ask->top(scope).rows;
        REQUIRE(top.size() == 1);
        CHECK(top[0].detections == 20);
        CHECK(ask->presence(scope).rows.size() == 1);
    }
    // Five minutes that are asked for in part count as a whole, also for numbers.
    const auto told = ask->occupancy(scope_of(begin + minutes(2), begin + minutes(13))).rows;
    REQUIRE_FALSE(told.empty());
    CHECK(told[0].near == 5);
}

TEST_CASE("an answer says that a part of its rollups is deleted", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    Lines().batch(make_batch(0, 5'000)).store(*store, start);
    Batch later = make_batch(1);
    *later.timestamp += days(2);
    for (auto &detection : later.detections) detection.timestamp += days(2);
    Lines().batch(later).store(*store, start + days(60));
    roll_up_all(*store);
    const Scope first = scope_of(at("2026-11-22T00:00:00Z"), at("2026-11-23T00:00:00Z")),
                next = scope_of(first.since + days(2), first.until + days(2));
    QuestionLimits limits;
    limits.rows = 10'000;
    const auto ask = open_questions(room->name(), limits);
    CHECK(ask->top(first).rows.size() == 5'000);
    CHECK(ask->presence(first).rows.size() == 5'000);
    const auto cut = [&](const Scope &scope) {
        const bool said = ask->top(scope).cut;
        CHECK(ask->presence(scope).cut == said);
        CHECK(ask->occupancy(scope).cut == said);
        CHECK(ask->track({hash_of(0)}, scope).cut == said);
        return said;
    };
    CHECK_FALSE(cut(first));
    const Keep keep(days(30), days(30));
    // Some steps delete the batch; then one begins with the day.
    for (int steps = 0; steps < 20 && room->text("SELECT sum(is_cut) FROM rollup_days") == "0"; ++steps)
        store->retain(keep, clocks_at(start + days(61)));
    CHECK(std::stoi(room->text("SELECT count(*) FROM rollups")) > 2);
    CHECK(cut(first));
    CHECK_FALSE(cut(next));
    while (store->retain(keep, clocks_at(start + days(61))).more) {
    }
    CHECK(room->text("SELECT count(*) FROM rollups") == "2");
    CHECK_FALSE(ask->top(first).cut);
}

TEST_CASE("a long time costs what is known of it, also of one Pi", "[rollup]") {
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    CAPTURE(kind);
    const auto room = make_room(kind);
    const auto store = make_store(room->name());
    for (int i = 0; i < 3; ++i) Lines().batch(minute(i)).store(*store, start);
    roll_up_all(*store);
    Scope scope = scope_of(at("1970-01-02T00:00:00Z"), at("9999-01-01T00:00:00Z"));
    scope.device = "pi-1";
    scope.every = hours(1);
    QuestionLimits limits;
    limits.longest = seconds(60);
    const auto ask = open_questions(room->name(), limits);
    std::int64_t heard = 0;
    for (const auto &one : ask->occupancy(scope).rows) heard += one.near + one.medium + one.far;
    CHECK(heard == 1);
    CHECK(ask->top(scope).rows.size() == 1);
}

TEST_CASE("a track finds its rows by keys", "[rollup]") {
    const auto room = make_room(in_sqlite);
    make_store(room->name());
    std::string plan;
    for (const auto &step : room->rows("EXPLAIN QUERY PLAN WITH asked AS (SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                                       "?8, ?9, ?10, ?11, ?12, ?13, ?14)" +
                                       sqlite_rolled::track()))
        plan += step.substr(step.rfind('|') + 1) + "\n";
    CAPTURE(plan);
    const auto has = [&](const std::string &text) { return plan.find(text) != plan.npos; };
    CHECK(has("SEARCH rollups USING PRIMARY KEY (bucket=? AND place=? AND advertiser=?)"));
    CHECK(has(
        "SEARCH rollups_day USING COVERING INDEX rollups_day_advertiser (advertiser=? AND day>? AND day<?)"));
    for (const auto *table : {"detections", "batches", "rollups", "rollups_day", "advertisers", "devices"})
        CHECK_FALSE(has("SCAN " + std::string(table) + "\n"));
}
