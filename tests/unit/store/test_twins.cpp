// Two runs of one device at once: noticed, and nothing else taken for it.
#include <algorithm>
#include <map>
#include <set>

#include "catch.hpp"
#include "room.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr seconds interval{30};

// A store, and the Pis that send to it. Windows are counted: window 0 ends at `start` by a clock that is right.
class Site {
  public:
    explicit Site(const std::string &kind)
        : room(make_room(kind)), store_(make_store(room->name())), other_(make_store(room->name())) {}

    // The next batch of the run is received, of that window by its own clock. How many pairs were noticed by it?
    std::size_t hear(const std::string &run, std::int64_t window, seconds clock_is_ahead = {}) {
        return hear_number(run, next_[run]++, window, clock_is_ahead);
    }
    std::size_t hear_number(const std::string &run, std::uint64_t seq, std::int64_t window,
                            seconds clock_is_ahead = {}) {
        Batch batch = make_batch(seq, 0);
        batch.position->run_id = run;
        batch.timestamp = start + window * interval + clock_is_ahead;
        received_ += seconds(1);
        // Now one process stores, now another.
        const auto result = Lines().batch(batch).store(++count_ % 3 == 0 ? *other_ : *store_, received_);
        for (const auto &twins : result.twins) noticed.push_back(twins);
        return result.twins.size();
    }
    std::string ask(const std::string &sql) { return room->text(sql); }

    const std::unique_ptr<Room> room;
    std::vector<Twins> noticed;
    const Time start = now() - hours(3);

  private:
    std::unique_ptr<Store> store_, other_;
    std::map<std::string, std::uint64_t> next_;
    Time received_ = start;
    int count_ = 0;
};

}  // namespace

TEST_CASE("two Pis of one name are noticed, once, within a few windows") {
    Site site(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    for (int window = 0; window < 50; ++window) {
        if (window >= 10) site.hear("one", window);
        site.hear("two", window);
        if (window == 17) CHECK(site.noticed.size() == 1);
    }
    REQUIRE(site.noticed.size() == 1);
    CHECK(site.noticed[0].device_id == "pi-1");
    auto runs = site.noticed[0].run_ids;
    std::sort(runs.begin(), runs.end());
    CHECK(runs == std::array<std::string, 2>{"one", "two"});
    CHECK(site.ask("SELECT two_at_once = substr(since, 1) FROM device_status JOIN missing USING (device_id)"
                   " WHERE reason = 'two at once'") == "1");
    CHECK(site.ask("SELECT what || batches IS NULL FROM missing WHERE reason = 'two at once'") == "1");
    CHECK(site.ask("SELECT run_id IN ('one', 'two') FROM missing WHERE reason = 'two at once'") == "1");
    SECTION("a day after they were so for the last time it is over") {
        site.ask("UPDATE turns SET until = until - 86400000 RETURNING 1");
        CHECK(site.ask("SELECT count(*) FROM missing WHERE reason = 'two at once'") == "0");
        CHECK(site.ask("SELECT two_at_once IS NULL FROM device_status") == "1");
    }
    SECTION("since when, is not in the future though the clock was ahead") {
        const bool until_as_well = GENERATE(true, false);
        site.ask("UPDATE turns SET since = since + 31536000000" +
                 std::string(until_as_well ? ", until = until + 31536000000" : "") + " RETURNING 1");
        for (int window = 50; window < 54; ++window) {
            site.hear("one", window);
            site.hear("two", window);
        }
        CHECK(site.ask("SELECT since <= until AND until < unixepoch('now') * 1000 FROM turns") == "1");
    }
    SECTION("it is since the first time, while it goes on") {
        const auto since = site.ask("SELECT since FROM turns");
        for (int window = 50; window < 54; ++window) {
            site.hear("one", window);
            site.hear("two", window);
        }
        CHECK(site.ask("SELECT since FROM turns") == since);
    }
    SECTION("one that was taken down is not reported") {
        site.ask("UPDATE devices SET is_active = 0 RETURNING 1");
        CHECK(site.ask("SELECT count(*) FROM missing WHERE reason = 'two at once'") == "0");
    }
    SECTION("a third is noticed as well, and one that is started again") {
        for (int window = 50; window < 70; ++window) {
            site.hear("one", window);
            site.hear("two, started again", window, seconds(5));
            site.hear("three", window, seconds(9));
        }
        std::set<std::string> named;
        for (const auto &twins : site.noticed) named.insert(twins.run_ids.begin(), twins.run_ids.end());
        CHECK(named == std::set<std::string>{"one", "two", "two, started again", "three"});
        CHECK(site.noticed.size() < 4);
    }
}

TEST_CASE("two Pis are noticed though their clocks or their ways differ") {
    Site site(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    SECTION("one clock is ten minutes ahead") {
        for (int window = 0; window < 100; ++window) {
            site.hear("one", window);
            site.hear("two", window, minutes(10));
        }
    }
    SECTION("what one of them says comes ten minutes late") {
        for (int window = 0; window < 100; ++window) {
            site.hear("one", window);
            if (window >= 20) site.hear("two", window - 20);
        }
    }
    SECTION("one of them was offline, and comes back with all that it has kept") {
        for (int window = 0; window < 40; ++window) site.hear("one", window);
        for (int window = 0; window < 40; ++window) site.hear("two", window);
        CHECK(site.noticed.empty());
        for (int window = 40; window < 50; ++window) {
            site.hear("one", window);
            site.hear("two", window);
        }
    }
    SECTION("one clock was in the future for a window, and set back") {
        site.hear("one", 0, hours(24 * 3650));
        for (int window = 1; window < 10; ++window) {
            site.hear("one", window);
            site.hear("two", window);
        }
    }
    SECTION("a run before them ended in the future") {
        site.hear("past", 0);
        site.hear("past", 1, hours(24 * 3650));
        for (int window = 2; window < 12; ++window) {
            site.hear("one", window);
            site.hear("two", window);
        }
    }
    CHECK(site.noticed.size() == 1);
}

TEST_CASE("one Pi that is started again is not two at once") {
    Site site(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    const seconds step = GENERATE(seconds(0), seconds(-40), seconds(-3600), seconds(-86400), seconds(7200));
    SECTION("again and again, and its clock is set at each start") {
        seconds ahead{0};
        for (int window = 0; window < 400; ++window) {
            site.hear("run " + std::to_string(window / 4), window, ahead);
            if (window % 4 == 3) ahead = window % 8 == 3 ? step : seconds(0);
        }
    }
    SECTION("and its clock is set while it runs") {
        for (int window = 0; window < 40; ++window) site.hear("one", window);
        for (int window = 40; window < 80; ++window)
            site.hear("two", window, window < 60 ? step : seconds(0));
    }
    SECTION("and what the old run left comes behind the first batches of the new one") {
        for (int window = 0; window < 10; ++window) site.hear("one", window);
        for (int window = 60; window < 65; ++window) site.hear("two", window, step);
        for (int window = 10; window < 60; ++window) site.hear("one", window);
        for (int window = 65; window < 165; ++window) site.hear("two", window, step);
    }
    SECTION("and what the old run left is sent beside the new one, from another spool") {
        // Ten old ones in the time of a window.
        int old = 10;
        for (int window = 0; window < 10; ++window) site.hear("one", window);
        for (int window = 60; window < 165; ++window) {
            site.hear("two", window, step);
            for (int i = 0; i < 10 && old < 60; ++i) site.hear("one", old++);
        }
    }
    SECTION("and a spool sends again all that was stored before") {
        for (int window = 0; window < 60; ++window) site.hear("one", window);
        for (int window = 60; window < 120; ++window) {
            site.hear("two", window, step);
            site.hear_number("one", static_cast<std::uint64_t>(window - 60), window - 60);
        }
    }
    SECTION("and holes in the old run are filled one by one") {
        for (std::uint64_t seq = 0; seq < 60; seq += 2)
            site.hear_number("one", seq, static_cast<std::int64_t>(seq));
        for (int window = 60; window < 90; ++window) {
            site.hear("two", window, step);
            const int seq = 2 * (window - 60) + 1;
            if (seq < 58) site.hear_number("one", static_cast<std::uint64_t>(seq), seq);
        }
    }
    CHECK(site.noticed.empty());
    CHECK(site.ask("SELECT count(*) FROM missing WHERE reason = 'two at once'") == "0");
}

TEST_CASE("what was not stored is not noticed") {
    Site site(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    site.room->refuse("NEW.run = (SELECT id FROM runs WHERE run_id = 'one')");
    for (int window = 0; window < 20; ++window) {
        site.hear("one", window);
        site.hear("two", window);
    }
    CHECK(site.noticed.empty());
}
