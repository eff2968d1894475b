// What is too old in a spool on disk: across restarts, and whatever the clocks say.
#include "file_limit.hpp"
#include "spool/spool_age.hpp"
#include "spool/spool_schema.hpp"
#include "spools.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t two_hours = 7200, fifty_years = 50LL * 365 * 86400;

DurableSpool open(const fs::path &path, milliseconds max_age = hours(1)) {
    return {path, {100'000, 1'000'000'000, minutes(1), max_age}};
}
DurableSpool &open_for_good(const fs::path &path) {
    const DurableSpool::Bounds bounds{100'000, 1'000'000'000, minutes(1), hours(1)};
    return *std::make_unique<DurableSpool>(path, bounds).release();
}

std::string expired(unsigned from, unsigned to) {
    return gap(from, to, usual_run, usual_device, "expired");
}

Clocks clocks(std::int64_t uptime_s, const std::string &boot) {
    return {Time(hours(1'000'000)), seconds(uptime_s), boot, false};
}

// A machine whose clocks go as a test says.
struct Machine {
    seconds uptime{100};
    Time wall = now();
    std::string boot = "one";

    void pass(seconds time) { uptime += time, wall += time; }
    // Started anew, so long ago; its wall clock stands as it did.
    void start_anew(seconds since, const std::string &name) { uptime = since, boot = name; }
    std::unique_ptr<DurableSpool> open(const fs::path &path, std::size_t most = 100'000) const {
        const DurableSpool::Bounds bounds{most, 1'000'000'000, minutes(1), hours(1)};
        const SpoolClocks clocks{[this] { return UptimeClock::time_point(uptime); }, [this] { return wall; },
                                 boot};
        return std::make_unique<DurableSpool>(path, bounds, clocks);
    }
};

std::int64_t saved_age(const fs::path &path) {
    return Database(path).integer("SELECT lived_s FROM state").value_or(-1);
}

// What is delivered of a spool of these two batches, after what happened to it.
template <class Happens>
std::vector<std::string> left_after(Happens happens) {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 2));
    }
    happens(path);
    auto spool = open(path);
    while (spool.expire()) {
    }
    return drain(spool);
}

}  // namespace

TEST_CASE("a spool ages by the time that the machine is on, in this start or a later one") {
    const SpoolAge age{500, 100, "one"};
    CHECK(age.at(clocks(130, "one")).lived_s == 530);
    CHECK(age.at(clocks(130, "one")).uptime_s == 130);
    CHECK(age.at(clocks(20, "two")).lived_s == 520);
    CHECK(age.at(clocks(20, "two")).boot == "two");
    CHECK(age.at(clocks(3000, "two")).lived_s == 3500);
    // An uptime that is less is that of another start, whatever name that has.
    CHECK(age.at(clocks(99, "one")).lived_s == 599);
    CHECK(SpoolAge{500, 100, unknown_boot}.at(clocks(20, unknown_boot)).lived_s == 520);
    // One that was never saved does not know when it began.
    CHECK(SpoolAge{}.at(clocks(5000, "one")).lived_s == 0);
}

TEST_CASE("where a start of the machine has no name, only what passed in any case makes a spool older") {
    // Of a machine that was up for long: it is no reason to take all of it for time that passed since.
    CHECK(SpoolAge{500, 90'000, unknown_boot}.at(clocks(90'030, "one")).lived_s == 530);
    CHECK(SpoolAge{500, 90'000, "one"}.at(clocks(90'030, unknown_boot)).lived_s == 530);
    CHECK(SpoolAge{500, 90'000, unknown_boot}.at(clocks(90'030, unknown_boot)).lived_s == 530);
    // That it is another start, the uptime says.
    CHECK(SpoolAge{500, 90'000, "one"}.at(clocks(20, unknown_boot)).lived_s == 520);
    CHECK(SpoolAge{500, 90'000, unknown_boot}.at(clocks(20, "two")).lived_s == 520);
}

TEST_CASE("a spool never gets younger, whichever start of the machine it is in") {
    const std::string before = GENERATE(as<std::string>(), "one", unknown_boot);
    const std::string after = GENERATE(as<std::string>(), "one", "two", unknown_boot);
    SpoolAge age{1000, 500, before};
    for (std::int64_t uptime_s = 10; uptime_s < 600; uptime_s += 5) {
        const auto next = age.at(clocks(uptime_s, after));
        CHECK(next.lived_s >= age.lived_s);
        age = next;
    }
    CHECK(age.lived_s == 1000 + 595);
}

TEST_CASE("the age of a line is the least that the wall clock and the age of its spool say") {
    const Time wall = Time(hours(500'000));
    const std::int64_t wall_ms = 500'000LL * 3'600'000;
    const SpoolAge spool{10'000, 0, "one"};
    CHECK(age_of_line(wall_ms - 9'000'000, 1000, spool, wall) == seconds(9000));
    CHECK(age_of_line(wall_ms - 5'000'000, 1000, spool, wall) == seconds(5000));
    CHECK(age_of_line(0, 1000, spool, wall) == seconds(9000));  // stored when the clock stood at 1970
    // Stored when the clock was ahead: then it says nothing.
    CHECK(age_of_line(wall_ms + 5'000'000, 1000, spool, wall) == seconds(9000));
    // What a file may say, and what cannot be.
    CHECK(age_of_line(0, -1, spool, wall) == seconds(10'000));
    CHECK(age_of_line(0, INT64_MIN, spool, wall) == seconds(10'000));
    CHECK(age_of_line(0, INT64_MAX, spool, wall) == seconds(0));
    CHECK(age_of_line(INT64_MIN, 1000, spool, wall) == seconds(9000));
}

TEST_CASE("a step of the wall clock between two starts makes nothing too old") {
    const std::int64_t step = GENERATE(as<std::int64_t>(), two_hours, fifty_years, -two_hours, -fifty_years);
    INFO(step);
    CHECK(left_after([&](const fs::path &path) { make_older(path, step, 0); }) == batches(0, 2));
    CHECK(left_after([&](const fs::path &path) { make_older(path, step, 60); }) == batches(0, 2));
}

TEST_CASE("time that the machine was on makes what waits too old, with a clock that is right or was ahead") {
    const std::int64_t step = GENERATE(as<std::int64_t>(), two_hours, fifty_years, -two_hours, -fifty_years);
    INFO(step);
    CHECK(left_after([&](const fs::path &path) { make_older(path, step, two_hours); }) ==
          std::vector<std::string>{expired(0, 1)});
}

TEST_CASE("the word of the spool's age alone makes nothing too old") {
    CHECK(left_after([](const fs::path &path) { make_older(path, 60, two_hours); }) == batches(0, 2));
}

TEST_CASE("time that the machine was off does not count, and the next start goes on where the last ended") {
    const Folder folder;
    const auto path = folder / "spool";
    Machine machine;
    {
        const auto spool = machine.open(path);
        push(*spool, batches(0, 2));
        machine.pass(minutes(10));
    }
    machine.wall += hours(1000);
    machine.start_anew(minutes(20), "two");
    {
        const auto spool = machine.open(path);
        CHECK(spool->oldest_age() == minutes(30));
        machine.pass(minutes(29));
        CHECK_FALSE(spool->expire());
        CHECK(spool->loss().expired == 0);
    }
    machine.pass(minutes(2));  // in which no process ran
    const auto spool = machine.open(path);
    spool->expire();
    CHECK(drain(*spool) == std::vector<std::string>{expired(0, 1)});
}

TEST_CASE("what is young stays, whether or not a start knows its name") {
    const Folder folder;
    const auto path = folder / "spool";
    const auto [before, after] =
        GENERATE(table<std::string, std::string>({{unknown_boot, "one"}, {"one", unknown_boot}}));
    Machine machine;
    machine.start_anew(hours(24 * 30), before);
    {
        const auto spool = machine.open(path);
        push(*spool, batches(0, 2));
    }
    machine.boot = after;  // the same one
    machine.pass(minutes(1));
    machine.wall += hours(1000);
    const auto spool = machine.open(path);
    spool->expire();
    CHECK(spool->oldest_age() == minutes(1));
    CHECK(drain(*spool) == batches(0, 2));
}

TEST_CASE("a spool goes on to age past the uptime of a start before, when neither knows its name") {
    const Folder folder;
    const auto path = folder / "spool";
    Machine machine;
    machine.start_anew(minutes(5), unknown_boot);
    {
        const auto spool = machine.open(path);
        push(*spool, batches(0, 1));
    }
    machine.start_anew(seconds(0), unknown_boot);
    const auto spool = machine.open(path);
    machine.pass(minutes(6));
    push(*spool, batches(1, 2));
    CHECK(Database(path).text("SELECT group_concat(lived_s) FROM batches") == "0,360");
}

TEST_CASE("sleep makes all lines older, read ahead or not") {
    const Folder folder;
    const auto path = folder / "spool";
    Machine machine;
    const auto spool = machine.open(path);
    constexpr unsigned more_than_are_read_ahead = 600;
    push(*spool, batches(0, more_than_are_read_ahead));
    machine.pass(hours(2));
    push(*spool, batches(more_than_are_read_ahead, more_than_are_read_ahead + 1));
    spool->expire();
    CHECK(drain(*spool) == std::vector<std::string>{expired(0, more_than_are_read_ahead - 1),
                                                    batch(more_than_are_read_ahead)});
}

TEST_CASE("the age of a spool is saved while batches wait in it and nothing comes in") {
    const Folder folder;
    const auto path = folder / "spool";
    Machine machine;
    const auto spool = machine.open(path, 2);
    push(*spool, batches(0, 2), WhenFull::wait);
    std::int64_t passed_s = 0;
    for (int minute = 0; minute < 60; ++minute) {
        machine.pass(minutes(1));
        passed_s += 60;
        spool->settle();
        REQUIRE(saved_age(path) <= passed_s);
        REQUIRE(saved_age(path) >= passed_s - 600);
    }
    CHECK(saved_age(path) > 0);
    // An empty one need not write.
    drain(*spool);
    spool->settle();
    const auto saved = saved_age(path);
    machine.pass(hours(5));
    spool->settle();
    CHECK(saved_age(path) == saved);
}

TEST_CASE("the age of a spool is saved when it ends, and on the way") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 2));
        CHECK(Database(path).text("SELECT boot FROM state") == read_clocks().boot);
    }
    Database(path).execute("UPDATE state SET uptime_s = uptime_s - 500");
    { open(path); }  // a polite end
    CHECK(saved_age(path) >= 500);
    CHECK(saved_age(path) < 550);
    Database(path).execute("UPDATE state SET uptime_s = uptime_s - 700");
    die_after([&] {
        auto &spool = open_for_good(path);
        push(spool, batches(2, 3));
    });
    CHECK(saved_age(path) >= 1200);
}

TEST_CASE(
    "a long backlog on disk that is too old goes part by part, counted once, and becomes one gap line") {
    const Folder folder;
    const auto path = folder / "spool";
    constexpr unsigned count = 5 * Spool::most_expired + 7;
    {
        auto spool = open(path);
        push(spool, batches(0, count));
    }
    make_older(path, two_hours, two_hours);
    die_after([&] {
        auto &spool = open_for_good(path);
        if (!spool.expire() || !spool.expire()) return;
    });
    auto spool = open(path);
    CHECK(spool.loss().expired == 2 * Spool::most_expired);
    CHECK(spool.size() == count - 2 * Spool::most_expired + 1);
    push(spool, {batch(count)});
    std::size_t parts = 2;
    while (spool.expire()) CHECK(spool.loss().expired == ++parts * Spool::most_expired);
    CHECK(parts == 5);
    CHECK(read_spool_status(path).expired == count);
    CHECK(drain(spool) == std::vector<std::string>{expired(0, count - 1), batch(count)});
}

TEST_CASE("a process that dies while it drops what is too old loses nothing untold") {
    const Folder folder;
    const auto path = folder / "spool";
    constexpr unsigned count = 2 * Spool::most_expired + 7, delivered = 2;
    {
        auto spool = open(path);
        push(spool, batches(0, count));
    }
    make_older(path, two_hours, two_hours);
    // Writing beyond so many pages of SQLite's log kills it: before a commit, in one, or after all.
    const unsigned pages = GENERATE(0u, 1u, 2u, 5u, 20u, 40u, 50u, 60u, 80u, 10'000u);
    INFO(pages);
    int status = 0;
    const auto child = ::fork();
    if (child == 0) {
        auto &spool = open_for_good(path);
        for (unsigned n = 0; n < delivered; ++n) spool.remove(spool.next()->id);
        std::signal(SIGXFSZ, SIG_DFL);
        const rlimit limit{pages * rlim_t{4096} + 100, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        while (spool.expire()) {
        }
        ::raise(SIGKILL);
    }
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == (pages < 10'000 ? SIGXFSZ : SIGKILL));
    auto spool = open(path);
    CHECK(set_aside(path).empty());
    const auto before = spool.loss().expired;
    CHECK(before % Spool::most_expired == (pages < 10'000 ? 0 : count - delivered - 2 * Spool::most_expired));
    while (spool.expire()) {
    }
    // What was delivered is told of as well when the process died before that was in the file.
    const unsigned first = before == 0 ? 0 : delivered;
    CHECK(spool.loss().expired == count - first);
    CHECK(drain(spool) == std::vector<std::string>{expired(first, count - 1)});
}

TEST_CASE("when as many gap lines wait on disk as may, what is too old is delivered, not lost unnamed") {
    const Folder folder;
    const auto path = folder / "spool";
    const auto lines = one_of_each_run(GapLedger::most + 5);
    {
        auto spool = open(path);
        push(spool, lines);
    }
    make_older(path, two_hours, two_hours);
    auto spool = open(path);
    check_crowd_of_gaps(spool, lines);
}

TEST_CASE("on a full disk nothing gets too old: it is delivered, and told of by nothing") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 300));
    }
    make_older(path, two_hours, two_hours);
    auto spool = open(path);
    const auto sent = spool.next();
    {
        const FileLimit limit(0);
        CHECK_FALSE(spool.expire());
        CHECK(spool.loss().expired == 0);
        CHECK(spool.size() == 300);
        spool.remove(sent->id);
        const auto next = spool.next();
        REQUIRE(next);
        CHECK(next->line == batch(1));
        spool.remove(next->id);
    }
    for (int i = 0; i < 600 && spool.loss().expired == 0; ++i) {
        ::usleep(10'000);
        spool.expire();
    }
    CHECK(spool.loss().expired == 298);
    CHECK(drain(spool) == std::vector<std::string>{expired(2, 299)});
}

TEST_CASE("the status tells how many are too old, and how many were") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 3));
    }
    make_older(path, two_hours, two_hours);
    auto spool = open(path);
    push(spool, batches(3, 5));
    CHECK(read_spool_status(path).too_old == 0);
    CHECK(read_spool_status(path, hours(1)).too_old == 3);
    CHECK(read_spool_status(path, hours(3)).too_old == 0);
    spool.expire();
    CHECK(read_spool_status(path, hours(1)).too_old == 0);
    CHECK(read_spool_status(path).expired == 3);
    CHECK(read_spool_status(path).dropped == 0);
}

TEST_CASE("a spool as old as one can be overflows nothing") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 2));
    }
    constexpr std::int64_t oldest_s = 4294967296;
    make_older(path, oldest_s, oldest_s - saved_age(path));
    CHECK(read_spool_status(path, hours(1)).too_old == 2);
    auto spool = open(path);
    CHECK(set_aside(path).empty());
    CHECK(spool.oldest_age() > hours(24 * 365 * 50));  // the wall clock knows no more
    spool.expire();
    CHECK(drain(spool) == std::vector<std::string>{expired(0, 1)});
}

TEST_CASE("a spool of the first version is taken over with all that is in it, as if stored now") {
    const Folder folder;
    const auto path = folder / "spool";
    const auto count = GENERATE(0u, 3u);
    {
        Database first(path);
        first.execute(
            "CREATE TABLE state (next_id INTEGER NOT NULL, dropped INTEGER NOT NULL, unnamed INTEGER NOT "
            "NULL) "
            "STRICT; INSERT INTO state VALUES (1000, 5, 2);"
            "CREATE TABLE batches (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL) "
            "STRICT;"
            "CREATE TABLE gaps (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, line BLOB NOT NULL, ours "
            "INTEGER "
            "NOT NULL) STRICT;"
            "PRAGMA application_id=0x424c4571; PRAGMA user_version=1");
        Statement add(first, "INSERT INTO batches VALUES (?, 1000, ?)");
        for (unsigned seq = 0; seq < count; ++seq) add.run(std::int64_t{seq} + 7, Blob{batch(seq)});
        Statement(first, "INSERT INTO gaps VALUES (6, 1000, ?, 1)").run(Blob{gap(40, 50, "aa")});
    }
    CHECK(read_spool_status(path, hours(1)).batches == count);
    CHECK(read_spool_status(path, hours(1)).too_old == 0);
    {
        auto spool = open(path);
        CHECK(spool.size() == count + 1);
        CHECK(spool.loss() == Spool::Loss{5, 0, 2});
        CHECK_FALSE(spool.expire());
        CHECK(spool.loss().expired == 0);
    }
    {
        Database now(path);
        CHECK(spool_version(now) == 2);
        CHECK(damage_of_spool(now).empty());
        if (count > 0)
            CHECK(now.text("SELECT boot FROM state") == read_clocks().boot);  // it ages from here on
    }
    make_older(path, two_hours, two_hours);
    auto spool = open(path);
    push(spool, {batch(99)});
    spool.expire();
    auto expected = std::vector<std::string>{gap(40, 50, "aa"), batch(99)};
    if (count > 0) expected.insert(expected.begin() + 1, expired(0, count - 1));
    CHECK(drain(spool) == expected);
    CHECK(set_aside(path).empty());
}
