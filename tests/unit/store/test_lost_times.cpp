// When what is missing was: from the batches beside a hole, or as a gap line tells it.
#include <cstdio>
#include <optional>
#include <sstream>

#include "base/log.hpp"
#include "catch.hpp"
#include "room.hpp"
#include "sqlite/database.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

const Time received = at("2026-11-22T12:00:00Z"), start = at("2026-11-22T06:00:00Z");

// The windows of make_batch(): each of 10 s, back to back. Number n ends at n, in windows since `start`.
class Pi {
  public:
    explicit Pi(const std::string &kind) : room(make_room(kind)) { open(); }

    void open() { store_ = make_store(room->name()); }
    StoreResult take(const Batch &batch) { return Lines().batch(batch).store(*store_, received); }
    StoreResult take(std::uint64_t seq) { return take(make_batch(seq, 0)); }
    StoreResult take(const Gap &gap) { return Lines().gap(gap).store(*store_, received); }
    // "SEQ-SEQ reason FROM..TO clock", by the table; no other row of the view missing is of a hole.
    Rows holes() {
        Rows out;
        for (const auto &row : room->rows("SELECT from_seq, to_seq, reason, lost_from, lost_to, lost_clock "
                                          "FROM gaps ORDER BY run, from_seq")) {
            std::stringstream columns(row);
            std::string from, to, reason, lost_from, lost_to, clock;
            for (auto *column : {&from, &to, &reason, &lost_from, &lost_to, &clock})
                std::getline(columns, *column, '|');
            out.push_back(from + '-' + to + ' ' + reason + ' ' + in_windows(lost_from) + ".." +
                          in_windows(lost_to) +
                          (clock.empty()  ? ""
                           : clock == "1" ? " synced"
                                          : " unsynced"));
        }
        return out;
    }
    std::string ask(const std::string &sql) { return room->text(sql); }

    const std::unique_ptr<Room> room;

  private:
    static std::string in_windows(const std::string &ms) {
        if (ms.empty()) return "?";
        char text[32];
        const std::int64_t start_ms = start.time_since_epoch() / std::chrono::milliseconds(1);
        std::snprintf(text, sizeof text, "%.1f", static_cast<double>(std::stoll(ms) - start_ms) / 10000);
        return text;
    }

    std::unique_ptr<Store> store_;
};

Batch other_clock(std::uint64_t seq, std::optional<bool> synced, seconds ahead = {}) {
    Batch batch = make_batch(seq, 0);
    batch.clock_synced = synced;
    *batch.timestamp += ahead;
    return batch;
}

// As blesend tells of batches that it dropped.
Gap told(std::uint64_t from, std::uint64_t to, const char *reason = "buffer_full") {
    Gap gap = gap_for(make_batch(from, 0), reason);
    gap.to_seq = to;
    gap.lost.to = window_of(make_batch(to, 0)).to;
    return gap;
}

Gap untold(std::uint64_t from, std::uint64_t to, const char *reason = "buffer_full") {
    return {"pi-1", "run", from, to, reason};
}

}  // namespace

TEST_CASE("a hole lies between the batches beside it") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.take(0);
    const auto result = pi.take(5);
    CHECK(pi.holes() == Rows{"1-4 missing 0.0..4.0 synced"});
    CHECK(
        pi.ask(
            "SELECT lost_from || ' ' || lost_to || ' ' || lost_clock FROM missing WHERE what = 'batches'") ==
        "2026-11-22T06:00:00.000Z 2026-11-22T06:00:40.000Z synced");
    REQUIRE(result.holes.size() == 1);
    CHECK(result.holes[0].lost == Span{start, start + seconds(40), true});
    SECTION("and what comes late makes it narrower") {
        pi.take(3);
        CHECK(pi.holes() == Rows{"1-2 missing 0.0..2.0 synced", "4-4 missing 3.0..4.0 synced"});
        pi.take(1);
        CHECK(pi.holes() == Rows{"2-2 missing 1.0..2.0 synced", "4-4 missing 3.0..4.0 synced"});
        pi.take(4);
        CHECK(pi.holes() == Rows{"2-2 missing 1.0..2.0 synced"});
    }
    SECTION("also when another process took the one before it") {
        pi.open();
        pi.take(7);
        CHECK(pi.holes() == Rows{"1-4 missing 0.0..4.0 synced", "6-6 missing 5.0..6.0 synced"});
    }
}

TEST_CASE("of a hole at the begin of a run it is known until when it was") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.take(3);
    CHECK(pi.holes() == Rows{"0-2 missing ?..2.0 synced"});
    Batch timeless = make_batch(6, 0);
    timeless.timestamp.reset();
    pi.take(timeless);
    CHECK(pi.holes() == Rows{"0-2 missing ?..2.0 synced", "4-5 missing 3.0..? synced"});
    Batch endless = make_batch(8, 0);
    endless.window_ms.reset();
    pi.take(endless);
    CHECK(pi.holes() ==
          Rows{"0-2 missing ?..2.0 synced", "4-5 missing 3.0..8.0 synced", "7-7 missing 3.0..8.0 synced"});
}

TEST_CASE("a gap line tells the times of what it names") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.take(0);
    SECTION("ahead of what comes behind it") {
        CHECK(pi.take(told(2, 4)).holes.at(1).lost == Span{start + seconds(10), start + seconds(40), true});
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..1.0 synced", "2-4 buffer_full 1.0..4.0 synced"});
        pi.take(7);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..1.0 synced", "2-4 buffer_full 1.0..4.0 synced",
                                 "5-6 missing 4.0..6.0 synced"});
    }
    SECTION("of a hole that is known") {
        pi.take(10);
        pi.take(told(4, 6));
        CHECK(pi.holes() == Rows{"1-3 missing 0.0..3.0 synced", "4-6 buffer_full 3.0..6.0 synced",
                                 "7-9 missing 6.0..9.0 synced"});
        pi.take(5);
        CHECK(pi.holes() == Rows{"1-3 missing 0.0..3.0 synced", "4-4 buffer_full 3.0..4.0 synced",
                                 "6-6 buffer_full 5.0..6.0 synced", "7-9 missing 6.0..9.0 synced"});
    }
    SECTION("in parts, of which each goes on where the last one ended") {
        pi.take(told(1, 3));
        pi.take(told(4, 6));
        CHECK(pi.holes() == Rows{"1-6 buffer_full 0.0..6.0 synced"});
        CHECK(kinds(pi.take(told(4, 6))) == "d");
    }
    SECTION("beyond what is missing") {
        pi.take(2);
        pi.take(6);
        pi.take(told(1, 4));
        CHECK(pi.holes() == Rows{"1-1 buffer_full 0.0..1.0 synced", "3-4 buffer_full 2.0..4.0 synced",
                                 "5-5 missing 4.0..5.0 synced"});
    }
    SECTION("exactly, where there were pauses between the windows") {
        Gap gap = told(1, 1);
        *gap.lost.from += seconds(3);
        *gap.lost.to -= seconds(2);
        pi.take(2);
        pi.take(gap);
        CHECK(pi.holes() == Rows{"1-1 buffer_full 0.3..0.8 synced"});
    }
}

TEST_CASE("a gap line without times, as of before, has those of the batches beside it") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.take(0);
    pi.take(untold(2, 3));
    CHECK(pi.holes() == Rows{"1-1 missing 0.0..? synced", "2-3 buffer_full 0.0..? synced"});
    SECTION("when one has come behind it") {
        pi.open();
        pi.take(4);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..3.0 synced", "2-3 buffer_full 0.0..3.0 synced"});
        pi.take(5);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..3.0 synced", "2-3 buffer_full 0.0..3.0 synced"});
    }
    SECTION("when the next one left a hole") {
        pi.take(untold(4, 4));
        pi.take(7);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..6.0 synced", "2-4 buffer_full 0.0..6.0 synced",
                                 "5-6 missing 0.0..6.0 synced"});
    }
    SECTION("when the next thing told is another loss") {
        pi.take(told(6, 6, "refused"));
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..5.0 synced", "2-3 buffer_full 0.0..5.0 synced",
                                 "4-5 missing 0.0..5.0 synced", "6-6 refused 5.0..6.0 synced"});
    }
    SECTION("when the next one tells no time, and the one after it does") {
        Batch blind = make_batch(6, 0);
        blind.timestamp.reset();
        pi.take(blind);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..? synced", "2-3 buffer_full 0.0..? synced",
                                 "4-5 missing 0.0..? synced"});
        pi.take(9);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..8.0 synced", "2-3 buffer_full 0.0..8.0 synced",
                                 "4-5 missing 0.0..8.0 synced", "7-8 missing 0.0..8.0 synced"});
    }
    SECTION("until the times are told after all") {
        pi.take(8);
        CHECK(kinds(pi.take(told(2, 3))) == "s");
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..7.0 synced", "2-3 buffer_full 1.0..3.0 synced",
                                 "4-7 missing 0.0..7.0 synced"});
        CHECK(kinds(pi.take(told(2, 3))) == "d");
    }
}

TEST_CASE("a clock that was not right is said") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    SECTION("when the Pi said so at either end") {
        pi.take(other_clock(0, false));
        pi.take(2);
        pi.take(other_clock(4, false));
        pi.take(other_clock(6, {}));
        pi.take(8);
        CHECK(pi.holes() == Rows{"1-1 missing 0.0..1.0 unsynced", "3-3 missing 2.0..3.0 unsynced",
                                 "5-5 missing 4.0..5.0 unsynced", "7-7 missing 6.0..7.0"});
    }
    SECTION("when it was set back in between, though it called itself right") {
        pi.take(other_clock(0, true, hours(2)));
        pi.take(2);
        CHECK(pi.holes() == Rows{"1-1 missing 720.0..1.0 unsynced"});
    }
    SECTION("when a gap line says so") {
        Gap gap = told(1, 2);
        gap.lost.clock_synced = false;
        pi.take(0);
        pi.take(gap);
        pi.take(4);
        CHECK(pi.holes() == Rows{"1-2 buffer_full 0.0..2.0 unsynced", "3-3 missing 2.0..3.0 unsynced"});
    }
    SECTION("of a hole that was open") {
        pi.take(0);
        pi.take(untold(1, 1));
        pi.take(other_clock(2, false));
        pi.take(untold(3, 3));
        pi.take(other_clock(4, true, -hours(1)));
        CHECK(pi.holes() ==
              Rows{"1-1 buffer_full 0.0..1.0 unsynced", "3-3 buffer_full 2.0..-357.0 unsynced"});
    }
}

TEST_CASE("what is lost of a window that made several batches is a part of it") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    Batch first = make_batch(0, 0), third = make_batch(2, 0);
    third.timestamp = first.timestamp;
    pi.take(first);
    pi.take(third);
    CHECK(pi.holes() == Rows{"1-1 missing -1.0..0.0 synced"});
}

TEST_CASE("a refused batch leaves a hole of its window") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.room->refuse("NEW.seq = 1");
    pi.take(0);
    CHECK(kinds(pi.take(1)) == "r");
    CHECK(pi.holes() == Rows{"1-1 rejected 0.0..1.0 synced"});
}

TEST_CASE("retention does not take the times of a hole away") {
    Pi pi(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    pi.take(0);
    pi.take(3);
    const auto store = make_store(pi.room->name());
    expire(*store, hours(1), received + hours(30));
    CHECK(pi.ask("SELECT count(*) FROM batches") == "0");
    CHECK(pi.holes() == Rows{"1-2 missing 0.0..2.0 synced"});
}

TEST_CASE("a database of version 8 learns the times of its holes from its batches") {
    Pi pi(in_sqlite);
    Rows expected;
    // Of runs that come and go in the same ways.
    const auto fill = [&] {
        pi.take(2);
        pi.take(other_clock(4, false));
        pi.take(other_clock(6, true, -hours(1)));
        pi.take(9);
        pi.take(untold(12, 13));
    };
    fill();
    expected = pi.holes();
    CHECK(expected == Rows{"0-1 missing ?..1.0 synced", "3-3 missing 2.0..3.0 unsynced",
                           "5-5 missing 4.0..-355.0 unsynced", "7-8 missing -354.0..8.0 synced",
                           "10-11 missing 9.0..? synced", "12-13 buffer_full 9.0..? synced"});
    {
        // The tables as version 8 had them, with what they hold.
        Database database(pi.room->name());
        database.execute("CREATE INDEX batches_series ON batches (device); DROP INDEX batches_told");
        for (const auto *view : {"rollup_log", "occupancy_log"})
            database.execute(std::string("DROP VIEW ") + view);
        for (const auto *table : {"rollup_due", "rollups", "rollups_hour", "rollups_day", "rollup_days",
                                  "occupancy_rollups", "occupancy_due", "device_places"})
            database.execute(std::string("DROP TABLE ") + table);
        for (const auto *column : {"rollup_hour_began_s", "rollup_hour_left"})
            database.execute(std::string("ALTER TABLE age DROP COLUMN ") + column);
        for (const auto *column : {"lost_from", "lost_to", "lost_clock"})
            database.execute(std::string("DROP VIEW IF EXISTS missing; ALTER TABLE gaps DROP COLUMN ") +
                             column);
        for (const auto *column : {"last_end", "last_clock", "open_from"})
            database.execute(std::string("ALTER TABLE runs DROP COLUMN ") + column);
        database.execute("CREATE VIEW missing AS SELECT 1; PRAGMA user_version = 8");
    }
    set_log_level(LogLevel::error);
    pi.open();
    set_log_level(LogLevel::info);
    CHECK(pi.holes() == expected);
    pi.take(15);
    CHECK(pi.holes().at(4) == "10-11 missing 9.0..14.0 synced");
    CHECK(pi.holes().at(6) == "14-14 missing 9.0..14.0 synced");
}
