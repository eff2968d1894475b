// Out of one store and into another, SQLite and PostgreSQL in both directions: the other one knows and has what the first did.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/limits.hpp"
#include "batch/sender.hpp"
#include "catch.hpp"
#include "postgres_server.hpp"
#include "sqlite/database.hpp"
#include "sqlite_file.hpp"
#include "store/archive.hpp"
#include "store/intake.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Rows = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const Time received = at("2026-11-22T12:00:00Z");

struct Side {
    std::string name;
    std::unique_ptr<Store> store;
    std::function<Rows(const std::string &sql)> rows;
    std::string digest;  // as text, in its SQL
};

Side open_sqlite() {
    static const Folder folder;
    static int number = 0;
    const std::string path = folder.path / ("store-" + std::to_string(++number) + ".db");
    return {path, make_store(path), [path](const std::string &sql) { return rows_of(path, sql); },
            "hex(digest)"};
}

Side open_postgres() {
    const std::string uri = PostgresServer::get().make_database();
    auto store = make_store(uri);
    const auto client = std::make_shared<Client>(uri);
    return {uri, std::move(store), [client](const std::string &sql) { return client->rows(sql); },
            "upper(encode(digest, 'hex'))"};
}

using Open = Side (*)();

Rows texts_of(Archive &archive) {
    Rows lines;
    while (!archive.ended())
        for (auto &line : archive.next()) lines.push_back(std::move(line.text));
    return lines;
}

Rows texts_of(const Side &side, ArchiveFilter filter = {}) {
    return texts_of(*open_archive(side.name, std::move(filter)));
}

struct Taken {
    Intake::Counts counts;
    Rows rejected;
    std::size_t events = 0;
};

// As bleingest --import does it, some lines a look.
Taken take(Store &store, const Rows &texts, Time present = received, std::size_t a_look = 7) {
    Intake intake(10'000, BatchParser::Takes::archives);
    Taken taken;
    for (std::size_t at = 0; at < texts.size(); at += a_look) {
        std::vector<Line> lines;
        for (auto i = at; i < std::min(texts.size(), at + a_look); ++i)
            lines.push_back({Line::Kind::whole, texts[i]});
        REQUIRE(intake.read(lines) == lines.size());
        const auto result = store.store(intake.items(), clocks_at(present));
        taken.counts += intake.counts(result);
        for (auto &rejected : intake.rejected(result)) taken.rejected.push_back(rejected.reason);
        taken.events += intake.events(result).size();
    }
    return taken;
}

// All that is kept, but ids; what depends on the present as well with `whole`.
Rows contents(const Side &side, bool whole = true) {
    Rows all;
    const auto add = [&](const std::string &sql) {
        Rows rows = side.rows(sql);  // databases differ in where they sort NULL
        std::sort(rows.begin(), rows.end());
        for (auto &row : rows) all.push_back(std::move(row));
        all.push_back("--");
    };
    add("SELECT devices.device_id, run_id, seq, batches.timestamp, batches.received_at, clock, places.name, "
        "places.location,"
        " window_ms, interval_ms, oldest, newest, near, medium, far, senders.sender, " +
        side.digest +
        " FROM batches JOIN devices ON devices.id = batches.device LEFT JOIN runs ON runs.id = batches.run"
        " LEFT JOIN places ON places.id = batches.place LEFT JOIN senders ON senders.id = batches.sender");
    add("SELECT device_id, run_id, seq, timestamp, device_hash, rssi, zone, count, details, name, location, "
        "sender,"
        " received_at FROM detection_log");
    add("SELECT device_id, run_id, next_seq, hash_id, open_from FROM runs"
        " JOIN devices ON devices.id = runs.device");
    add("SELECT device_id, run_id, from_seq, to_seq, reason, noticed_at FROM gaps"
        " JOIN runs ON runs.id = gaps.run JOIN devices ON devices.id = runs.device");
    if (whole)
        add("SELECT device_id, name, location, listened_from, listened_until, windows, listened_s, clock FROM"
            " coverage");
    add("SELECT device_id, name, location, holes FROM devices");
    add("SELECT device_hash, detections FROM advertisers");
    add("SELECT count(*) FROM scattered");
    if (!whole) return all;
    add("SELECT device_id, name, location, is_active, first_seen, last_seen, last_received, conflicts, "
        "last_conflict,"
        " last_version, sender FROM devices LEFT JOIN senders ON senders.id = last_sender");
    add("SELECT devices.device_id, run_id, seq, batches.timestamp FROM devices LEFT JOIN batches ON "
        "batches.id = last_batch"
        " LEFT JOIN runs ON runs.id = batches.run");
    add("SELECT device_hash, first_seen, last_seen FROM advertisers");
    return all;
}

// When each hole was, and the last window of each run, where that is known. A store that was given the lines in another order may know more.
Rows known_times(const Side &side) {
    Rows times = side.rows(
        "SELECT device_id, run_id, last_end, last_clock FROM runs JOIN devices ON devices.id = "
        "runs.device WHERE last_end IS NOT NULL");
    for (const std::string column : {"lost_from", "lost_to"})
        for (auto &row : side.rows("SELECT device_id, run_id, from_seq, " + column +
                                   " FROM gaps JOIN runs ON runs.id = gaps.run"
                                   " JOIN devices ON devices.id = runs.device WHERE " +
                                   column + " IS NOT NULL"))
            times.push_back(column + ' ' + row);
    std::sort(times.begin(), times.end());
    return times;
}

// The first rows that only one of the two has.
Rows differences(const Rows &one, const Rows &other) {
    Rows out;
    for (std::size_t i = 0; i < std::max(one.size(), other.size()) && out.size() < 10; ++i) {
        const std::string a = i < one.size() ? one[i] : "", b = i < other.size() ? other[i] : "";
        if (a != b) out.insert(out.end(), {"one:   " + a, "other: " + b});
    }
    return out;
}

// Batches of every kind, as they come from somebody: with holes, late, several times, without a name, in somebody else's name.
class History {
  public:
    explicit History(unsigned seed) : random_(seed) {}

    std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

    Batch batch(std::uint64_t seq) {
        Batch batch = make_batch(seq, static_cast<int>(draw(4)));
        batch.device_id = draw(3) == 0 ? "pi-2" : "pi-1";
        batch.position->run_id = batch.device_id + (seq < 15 ? " a" : " b");
        if (draw(5) == 0) batch.location.reset();
        if (draw(7) == 0) batch.name = "";
        if (draw(9) == 0) batch.name.reset();
        if (draw(9) == 0) batch.clock_synced = draw(2) == 0 ? std::nullopt : std::optional(false);
        if (draw(9) == 0) batch.window_ms.reset();
        if (draw(9) == 0) batch.interval_ms.reset();
        if (draw(15) == 0) batch.timestamp.reset();
        if (draw(9) == 0) batch.occupancy = Occupancy{draw(9), 0, 7};
        if (draw(4) == 0) batch.version = "1." + std::to_string(draw(3));
        if (draw(9) == 0) batch.position.reset();
        for (auto &detection : batch.detections) adorn(detection);
        return batch;
    }

    // One look of a writer's.
    std::vector<std::string> look() {
        static const std::string names[] = {"key pi-1", "mqtt pi-2"};
        std::vector<std::string> lines;
        for (auto left = 1 + draw(6); left > 0; --left) {
            const std::uint64_t seq = draw(30);
            if (draw(6) == 0) {
                const char *reason = draw(2) == 0 ? "buffer_full" : "rejected";
                lines.push_back(
                    print_gap({"pi-1", draw(2) == 0 ? "pi-1 a" : "pi-1 b", seq, seq + draw(5), reason}));
                continue;
            }
            const std::string line = print_batch(batch(seq));
            lines.push_back(draw(3) == 0 ? line : with_sender(line, names[draw(2)]));
        }
        return lines;
    }

  private:
    void adorn(Detection &detection) {
        if (draw(3) == 0)
            detection.details = R"({"tx_power":-7,"local_name":"a\u202eb é","list":[1.5,-0.0,1e30]})";
        if (draw(3) == 0) detection.count.reset();
        if (draw(20) == 0) detection.timestamp += std::chrono::hours(3);
        detection.zone = static_cast<Zone>(draw(3));
    }

    std::mt19937 random_;
};

// Returns the lines, but for those that contradict what was stored before.
Rows store_history(Side &side, History &history, int looks) {
    Rows all;
    Intake intake;
    for (int i = 0; i < looks; ++i) {
        const auto texts = history.look();
        std::vector<Line> lines;
        for (const auto &text : texts) lines.push_back({Line::Kind::whole, text});
        intake.read(lines);
        const auto result = side.store->store(intake.items(), clocks_at(received + milliseconds(1500 * i)));
        for (std::size_t one = 0; one < texts.size(); ++one)
            if (result.outcomes[one].kind != StoreOutcome::Kind::conflict) all.push_back(texts[one]);
    }
    return all;
}

}  // namespace

TEST_CASE("what comes out of a store makes another one that is the same") {
    const Open from = GENERATE(open_sqlite, open_postgres), to = GENERATE(open_sqlite, open_postgres);
    const auto seed = GENERATE(range(0u, 8u));
    INFO("seed " << seed);
    History history(seed);
    Side source = from(), target = to();
    store_history(source, history, 30);
    source.rows("UPDATE devices SET is_active = 0 WHERE device_id = 'pi-2'");
    const Time present = received + std::chrono::hours(1);
    const auto lines = texts_of(source);

    const auto taken = take(*target.store, lines, present);
    CHECK(taken.rejected.empty());
    CHECK(taken.events == 0);
    CHECK(taken.counts.duplicates == 0);
    CHECK(differences(contents(target), contents(source)) == Rows());
    const auto known = known_times(source), copied = known_times(target);
    CHECK(std::includes(copied.begin(), copied.end(), known.begin(), known.end()));

    // Once more changes nothing, in either of the two, and neither does what comes out of the copy.
    const auto before = contents(source);
    for (Side *side : {&source, &target})
        for (const auto &again : {lines, texts_of(target)}) {
            const auto repeated = take(*side->store, again, present, 50);
            CHECK(repeated.counts.batches == 0);
            CHECK(repeated.counts.conflicts == 0);
            CHECK(repeated.rejected.empty());
            CHECK(differences(contents(*side), before) == Rows());
        }
}

TEST_CASE("lines of a store and what comes live meet in any order") {
    const Open to = GENERATE(open_sqlite, open_postgres);
    const auto seed = GENERATE(range(0u, 12u));
    INFO("seed " << seed);
    History history(seed);
    Side source = open_sqlite(), target = to();
    Rows live = store_history(source, history, 20);
    const auto archived = texts_of(source);
    // A part of what the source has comes to the target as well, before, among and after the archive; and news.
    std::mt19937 random(seed);
    std::size_t next = 0;
    const auto some_live = [&] {
        for (int left = 3; left > 0; --left)
            take(*target.store, {live[random() % live.size()]}, received + std::chrono::minutes(10));
    };
    while (next < archived.size()) {
        some_live();
        // Killed now and then: some of it comes once more.
        next -= std::min<std::size_t>(next, random() % 5);
        const auto end = std::min(archived.size(), next + 1 + random() % 20);
        const Rows part(archived.begin() + static_cast<std::ptrdiff_t>(next),
                        archived.begin() + static_cast<std::ptrdiff_t>(end));
        const auto taken = take(*target.store, part, received + std::chrono::minutes(20));
        CHECK(taken.rejected.empty());
        next = end;
    }
    const auto what = [](const Side &side) {
        Rows all = side.rows("SELECT device_id, run_id, seq, " + side.digest +
                             " FROM batches JOIN devices ON devices.id = batches.device"
                             " LEFT JOIN runs ON runs.id = batches.run");
        for (const char *sql :
             {"SELECT device_id, run_id, seq, device_hash, rssi, details FROM detection_log",
              "SELECT device_id, run_id, next_seq FROM runs JOIN devices ON devices.id = runs.device",
              "SELECT device_id, run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run"
              " JOIN devices ON devices.id = runs.device",
              "SELECT device_hash, detections FROM advertisers"})
            for (auto &row : side.rows(sql)) all.push_back(std::move(row));
        std::sort(all.begin(), all.end());
        return all;
    };
    CHECK(differences(what(target), what(source)) == Rows());
}

TEST_CASE("a repetition is known only when its batch is there") {
    const Open to = GENERATE(open_sqlite, open_postgres);
    Side source = open_sqlite();
    Lines live;
    for (std::uint64_t seq = 0; seq < 5; ++seq) live.batch(make_batch(seq), std::to_string(seq));
    live.store(*source.store, received);
    const auto archived = texts_of(source);
    // Wherever the move has come to.
    for (std::size_t come = 0; come <= archived.size(); ++come) {
        Side target = to();
        take(*target.store, {archived.begin(), archived.begin() + static_cast<std::ptrdiff_t>(come)});
        live.store(*target.store, received);
        CHECK(target.rows("SELECT count(*) FROM batches") == Rows{"5"});
        CHECK(take(*target.store, archived).rejected.empty());
        CHECK(target.rows("SELECT count(*) FROM batches") == Rows{"5"});
        CHECK(target.rows("SELECT count(*) FROM gaps") == Rows{"0"});
    }
}

TEST_CASE("what retention deleted is known in the other store, and is no hole there") {
    const Open from = GENERATE(open_sqlite, open_postgres), to = GENERATE(open_sqlite, open_postgres);
    Side source = from(), target = to();
    Lines old, young;
    for (std::uint64_t seq = 0; seq < 5; ++seq) old.batch(make_batch(seq), "old " + std::to_string(seq));
    for (std::uint64_t seq = 6; seq < 9; ++seq) young.batch(make_batch(seq), "young " + std::to_string(seq));
    old.store(*source.store, received);
    young.store(*source.store, received + std::chrono::days(20));
    const Time present = received + std::chrono::days(35);
    expire(*source.store, std::chrono::days(30), present);
    REQUIRE(source.rows("SELECT count(*) FROM batches") == Rows{"3"});
    take(*target.store, texts_of(source), present);
    CHECK(differences(contents(target, false), contents(source, false)) == Rows());
    CHECK(target.rows("SELECT from_seq, to_seq FROM gaps") == Rows{"5|5"});
    CHECK(kinds(old.store(*target.store, present)) == "ddddd");
    // They are as old there as they were here.
    expire(*target.store, std::chrono::days(30), present + std::chrono::days(16));
    CHECK(target.rows("SELECT count(*) FROM batches") == Rows{"0"});
}

TEST_CASE("batches whose digest nobody kept are moved without one") {
    Side source = open_sqlite(), target = open_sqlite();
    Batch unnamed = make_batch(3);
    unnamed.position.reset();
    Lines().batch(make_batch(0), "a").batch(unnamed, "b").batch(unnamed, "c").store(*source.store, received);
    source.rows("UPDATE batches SET digest = NULL");
    const auto lines = texts_of(source);
    // Without a name and a line's digest, those that are the same are one.
    CHECK(take(*target.store, lines).counts.batches == 2);
    CHECK(take(*target.store, lines).counts.batches == 0);
    CHECK(target.rows("SELECT count(*) FROM batches WHERE digest IS NULL") == Rows{"1"});
    CHECK(kinds(Lines().batch(make_batch(0), "another").store(*target.store, received)) == "d");
}

TEST_CASE("another content in the other store stays, and is told") {
    Side source = open_sqlite(), target = open_sqlite();
    Lines().batch(make_batch(0), "ours").store(*source.store, received);
    Lines().batch(make_batch(0, 1), "theirs").store(*target.store, received);
    const auto taken = take(*target.store, texts_of(source));
    CHECK(taken.counts.conflicts == 1);
    CHECK(taken.rejected == Rows{"another content is stored under this device_id, run_id and seq"});
    CHECK(target.rows("SELECT count(*) FROM detections") == Rows{"1"});
}

TEST_CASE("an import that is repeated leaves the operator's word and the number of conflicts") {
    const Open to = GENERATE(open_sqlite, open_postgres);
    Side source = open_sqlite(), target = to();
    Lines().batch(make_batch(0), "ours").store(*source.store, received);
    take(*target.store, texts_of(source));
    target.rows("UPDATE devices SET is_active = 0");
    Lines().batch(make_batch(1, 1), "theirs").store(*target.store, received - seconds(10));
    Lines().batch(make_batch(1), "another").store(*source.store, received - seconds(10));
    for (int i = 0; i < 2; ++i) CHECK(take(*target.store, texts_of(source)).counts.conflicts == 1);
    CHECK(target.rows("SELECT is_active, conflicts FROM devices") == Rows{"0|0"});
}

TEST_CASE("a run with many holes goes over in parts") {
    const Open to = GENERATE(open_sqlite, open_postgres);
    Side source = open_sqlite(), target = to();
    Lines odd;
    for (std::uint64_t hole = 0; hole < 1201; ++hole)
        odd.batch(make_batch(2 * hole + 1, 0), std::to_string(hole));
    odd.store(*source.store, received);
    const auto lines = texts_of(source);
    CHECK(std::count_if(lines.begin(), lines.end(),
                        [](const auto &line) { return line.find("\"run\":{") != std::string::npos; }) == 3);
    for (const auto &line : lines) CHECK(line.size() <= max_line);
    take(*target.store, lines, received, 500);
    CHECK(differences(contents(target), contents(source)) == Rows());
}

TEST_CASE("an archive is of some devices and of some time") {
    Side source = open_sqlite();
    Batch other = make_batch(0);
    other.device_id = "pi-2";
    Lines().batch(make_batch(0), "a").batch(other, "b").store(*source.store, received);
    Lines().batch(make_batch(1), "c").store(*source.store, received + seconds(60));
    const auto batches = [&](ArchiveFilter filter) {
        Rows found;
        for (const auto &line : texts_of(source, std::move(filter))) {
            const auto at =
                line.find("\"detections\"") == std::string::npos ? std::string::npos : line.find("\"seq\":");
            if (at != std::string::npos) found.push_back(line.substr(25, 4) + ' ' + line.substr(at + 6, 1));
        }
        return found;
    };
    CHECK(batches({}) == Rows{"pi-1 0", "pi-2 0", "pi-1 1"});
    CHECK(batches({{"pi-2"}, {}, {}}) == Rows{"pi-2 0"});
    CHECK(batches({{}, received + seconds(60), {}}) == Rows{"pi-1 1"});
    CHECK(batches({{}, {}, received + seconds(60)}) == Rows{"pi-1 0", "pi-2 0"});
    CHECK(texts_of(source, {{"pi-2"}, {}, {}}).size() == 3);  // with its device and its run
}

TEST_CASE("an archive goes on after a batch, if that is still the same") {
    Side source = open_sqlite();
    for (std::uint64_t seq = 0; seq < 50; ++seq)
        Lines().batch(make_batch(seq), std::to_string(seq)).store(*source.store, received + seconds(seq));
    auto archive = open_archive(source.name, {});
    std::optional<ArchivePlace> place;
    CHECK(archive->share() == 0);
    while (!place)
        for (const auto &line : archive->next()) place = line.place;
    REQUIRE(place->id < 50);
    auto rest = open_archive(source.name, {});
    CHECK(rest->go_to(*place));
    CHECK(rest->share() > 0);
    CHECK(texts_of(*rest).size() == 50 - static_cast<std::size_t>(place->id) + 2);
    CHECK(rest->share() == 1);
    for (const auto &wrong : {ArchivePlace{place->id, place->received_at, "pi-2"},
                              ArchivePlace{place->id, place->received_at + 1, "pi-1"},
                              ArchivePlace{99, place->received_at, "pi-1"}}) {
        auto all = open_archive(source.name, {});
        CHECK_FALSE(all->go_to(wrong));
        CHECK(texts_of(*all).size() == 52);
    }
}

TEST_CASE("what is stored while an archive is read belongs to it") {
    Side source = open_sqlite();
    for (std::uint64_t seq = 0; seq < 300; ++seq)
        Lines().batch(make_batch(seq), std::to_string(seq)).store(*source.store, received);
    auto archive = open_archive(source.name, {});
    Rows lines;
    for (std::uint64_t seq = 300; !archive->ended();) {
        const auto step = archive->next();
        for (const auto &line : step) lines.push_back(line.text);
        const bool of_runs = !step.empty() && step[0].text.find("\"run\":{") != std::string::npos;
        if (seq >= 310 && !of_runs) continue;
        Lines().batch(make_batch(seq), std::to_string(seq)).store(*source.store, received);
        ++seq;
    }
    Side target = open_sqlite();
    take(*target.store, lines);
    CHECK(target.rows("SELECT count(*), min(seq), max(seq) FROM batches") == Rows{"311|0|310"});
    CHECK(target.rows("SELECT count(*) FROM gaps") == Rows{"0"});
}

TEST_CASE("the longest batch that a store takes goes over") {
    Side source = open_sqlite(), target = open_sqlite();
    Batch large = make_batch(0, 1000);
    large.detections[0].details = R"({"x":""})";
    large.detections[0].details.insert(6, max_line - print_batch(large).size(), 'x');
    const std::string line = print_batch(large);
    REQUIRE(line.size() == max_line);
    take(*source.store, {with_sender(line, std::string(128, 's'))});
    const auto lines = texts_of(source);
    REQUIRE(lines.size() == 3);
    CHECK(take(*target.store, lines).rejected.empty());
    CHECK(differences(contents(target), contents(source)) == Rows());
}

TEST_CASE("what is too long for a line is left out and named") {
    Side source = open_sqlite();
    Batch large = make_batch(1, 1);
    large.detections[0].details = "{\"x\":\"" + std::string(max_line + archive_room - 200, 'x') + "\"}";
    // As after an edit: no line brings as much.
    Lines().batch(make_batch(0), "a").batch(large, "b").store(*source.store, received);
    auto archive = open_archive(source.name, {});
    Rows told;
    archive->on_too_long = [&](const std::string &name) { told.push_back(name); };
    CHECK(texts_of(*archive).size() == 3);
    CHECK(told == Rows{"pi-1, run_id run, seq 1"});
}

TEST_CASE("only a store of this version is read") {
    const Folder folder;
    const auto code_of = [](const std::string &name) {
        try {
            open_archive(name, {});
        } catch (const Error &error) {
            return error.code();
        }
        return ExitCode::ok;
    };
    const std::string empty = folder.path / "empty.db", foreign = folder.path / "foreign.db";
    rows_of(empty, "SELECT 1");
    rows_of(foreign, "CREATE TABLE other (a)");
    CHECK(code_of(empty) == ExitCode::config);
    CHECK(code_of(foreign) == ExitCode::config);
    Side source = open_sqlite();
    CHECK(code_of(source.name) == ExitCode::ok);
    const std::string version = source.rows("PRAGMA user_version").at(0);
    for (const int other : {-1, 1}) {
        source.rows("PRAGMA user_version = " + std::to_string(std::stoi(version) + other));
        CHECK(code_of(source.name) == ExitCode::config);
    }
    CHECK(code_of(PostgresServer::get().make_database()) == ExitCode::config);
}

TEST_CASE("a line of an archive is refused by who was not told") {
    Side source = open_sqlite(), target = open_sqlite();
    Lines().batch(make_batch(0), "a").store(*source.store, received);
    Intake intake;
    const auto texts = texts_of(source);
    std::vector<Line> lines;
    for (const auto &text : texts) lines.push_back({Line::Kind::whole, text});
    intake.read(lines);
    CHECK(intake.items().empty());
    const auto rejected = intake.rejected({});
    REQUIRE(rejected.size() == 3);
    for (const auto &one : rejected)
        CHECK(one.reason == "archive: this is a line of bleexport: use bleingest --import");
}
