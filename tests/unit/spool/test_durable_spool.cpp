#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "file_limit.hpp"
#include "spools.hpp"

using namespace ble;
using namespace ble::test;
namespace fs = std::filesystem;

namespace {

DurableSpool open(const fs::path &path, std::size_t batches = 100, std::uint64_t bytes = 1'000'000'000) {
    return {path, {batches, bytes}};
}

ExitCode refusal(const fs::path &path) {
    try {
        open(path);
    } catch (const Error &error) {
        return error.code();
    }
    return ExitCode::ok;
}

// Never destroyed: for die_after().
DurableSpool &open_for_good(const fs::path &path, std::size_t batches = 100) {
    return *std::make_unique<DurableSpool>(path, DurableSpool::Bounds{batches, 1'000'000'000}).release();
}

std::string bytes_of(const fs::path &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path &path, std::uintmax_t at, const std::string &bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
}

std::string noise(std::size_t size) {
    std::mt19937 random(1);
    std::string bytes(size, 0);
    for (auto &byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

}  // namespace

TEST_CASE("after a kill all that was pushed and not removed is there, in order, before anything new") {
    const Folder folder;
    const auto path = folder / "spool";
    std::uint64_t last_id = 0;
    die_after([&] {
        auto &spool = open_for_good(path);
        push(spool, batches(0, 3));
        push(spool, batches(3, 7));
        spool.next(), spool.next();  // in flight
    });
    {
        auto spool = open(path);
        CHECK(spool.size() == 7);
        CHECK(spool.in_flight() == 0);
        CHECK(spool.description().find("7 batches") != std::string::npos);
        push(spool, {batch(7)});
        for (unsigned seq = 0; seq < 8; ++seq) {
            const auto entry = spool.next();
            REQUIRE(entry);
            CHECK(entry->line == batch(seq));
            CHECK(entry->id > last_id);
            last_id = entry->id;
            spool.remove(entry->id);
        }
    }
    auto spool = open(path);
    CHECK(spool.size() == 0);
    push(spool, {batch(8)});
    CHECK(spool.next()->id > last_id);
}

TEST_CASE("removals are put off, and committed with the next push or at the end") {
    const Folder folder;
    const auto path = folder / "spool";
    SECTION("a kill before: they are sent again") {
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, batches(0, 3));
            drain(spool);
        });
        auto spool = open(path);
        CHECK(drain(spool) == batches(0, 3));
    }
    SECTION("a kill after the next push: they are gone") {
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, batches(0, 3));
            drain(spool);
            push(spool, batches(3, 4));
        });
        auto spool = open(path);
        CHECK(drain(spool) == batches(3, 4));
    }
    SECTION("a kill after they were put off for long: they are gone") {
        die_after([&] {
            auto &spool = *new DurableSpool(path, {100, 9999, std::chrono::milliseconds(0)});
            push(spool, batches(0, 3));
            drain(spool);
            if (read_spool_status(path).batches != 3) return;
            spool.settle();
        });
        auto spool = open(path);
        CHECK(spool.size() == 0);
    }
    SECTION("a clean end: they are gone, what is in flight is not") {
        {
            auto spool = open(path);
            push(spool, batches(0, 3));
            spool.remove(spool.next()->id);
            spool.next();
        }
        auto spool = open(path);
        CHECK(drain(spool) == batches(1, 3));
    }
    SECTION("a kill in a long flush: most are gone") {
        die_after([&] {
            auto &spool = open_for_good(path, 10'000);
            push(spool, batches(0, 5000));
            drain(spool);
        });
        auto spool = open(path);
        CHECK(spool.size() < 1000);
    }
}

TEST_CASE("what was lost is counted and told of after a kill, and a waiting gap line goes on growing") {
    const Folder folder;
    const auto path = folder / "spool";
    const std::string foreign =
        R"({"format":1,"device_id":"pi-lab-1","run_id":"bb","gap":{"from_seq":3,"to_seq":9,"reason":"scanner"},"x":1})";
    die_after([&] {
        auto &spool = open_for_good(path, 2);
        push(spool, {nameless, foreign, batch(0)});
        push(spool, {batch(1), batch(2), batch(3)});
    });
    {
        auto spool = open(path, 2);
        CHECK(spool.loss().dropped == 3);
        CHECK(spool.loss().unnamed == 1);
        CHECK(spool.size() == 4);
        push(spool, {batch(4)});
        CHECK(spool.loss().dropped == 4);
    }
    auto spool = open(path, 2);
    CHECK(spool.loss().dropped == 4);
    CHECK(drain(spool) == std::vector<std::string>{foreign, gap(0, 2), batch(3), batch(4)});
}

TEST_CASE("a gap line in flight when the process is killed is sent again") {
    const Folder folder;
    const auto path = folder / "spool";
    die_after([&] {
        auto &spool = open_for_good(path, 2);
        push(spool, batches(0, 4));
        spool.next();
        push(spool, batches(4, 5));
    });
    auto spool = open(path, 2);
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 1), gap(2, 2), batch(3), batch(4)});
}

TEST_CASE("a batch is given up and told of in one transaction, which is put off") {
    const Folder folder;
    const auto path = folder / "spool";
    const std::string told = gap(0, 0, usual_run, usual_device, "refused");
    SECTION("a kill before it: the batch is sent again") {
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, {batch(0), batch(1)});
            spool.give_up(spool.next()->id, "refused");
        });
        auto spool = open(path);
        CHECK(drain(spool) == batches(0, 2));
    }
    SECTION("a kill after it: the gap line is there, delivered or not") {
        bool delivered = GENERATE(false, true);
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, {batch(0), batch(1)});
            spool.give_up(spool.next()->id, "refused");
            const auto gap = spool.next();
            push(spool, {batch(2)});
            if (delivered) spool.remove(gap->id);
        });
        auto spool = open(path);
        CHECK(drain(spool) == std::vector<std::string>{told, batch(1), batch(2)});
    }
    SECTION("it goes on growing after a kill") {
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, {batch(0), batch(1)});
            spool.give_up(spool.next()->id, "refused");
            push(spool, {batch(2)});
        });
        auto spool = open(path);
        const auto first = spool.next(), second = spool.next();
        spool.give_back(first->id);
        spool.give_up(second->id, "refused");
        CHECK(drain(spool) ==
              std::vector<std::string>{gap(0, 1, usual_run, usual_device, "refused"), batch(2)});
    }
    SECTION("a polite end saves it") {
        const bool in_flight = GENERATE(false, true);
        {
            auto spool = open(path);
            push(spool, {batch(0)});
            spool.give_up(spool.next()->id, "refused");
            if (in_flight) spool.next();
        }
        auto spool = open(path);
        CHECK(drain(spool) == std::vector<std::string>{told});
    }
    SECTION("a delivered one does not come back") {
        {
            auto spool = open(path);
            push(spool, {batch(0)});
            spool.give_up(spool.next()->id, "refused");
            spool.remove(spool.next()->id);
        }
        CHECK(open(path).size() == 0);
    }
    SECTION("a disk that is full while the gap line is in flight does not lose it") {
        die_after([&] {
            auto &spool = open_for_good(path);
            push(spool, batches(0, 2));
            spool.give_up(spool.next()->id, "refused");
            spool.next();
            {
                const FileLimit limit(0);
                if (push(spool, batches(2, 50)) != 0) return;
            }
            for (int i = 0; i < 600 && push(spool, {batch(2)}) == 0; ++i) ::usleep(10'000);
        });
        auto spool = open(path);
        CHECK(drain(spool) == std::vector<std::string>{told, batch(1), batch(2)});
    }
    SECTION("a disk that is full meanwhile changes nothing") {
        {
            auto spool = open(path);
            push(spool, batches(0, 3));
            spool.give_up(spool.next()->id, "refused");
            {
                const FileLimit limit(0);
                REQUIRE(push(spool, batches(3, 50)) == 0);
            }
            CHECK(spool.size() == 3);
            const auto sent = spool.next();
            CHECK(sent->line == told);
            spool.give_up(spool.next()->id, "refused");
            std::size_t taken = 0;
            for (int i = 0; i < 600 && taken == 0; ++i) {
                ::usleep(10'000);
                taken = push(spool, {batch(3)});
            }
            CHECK(taken == 1);
        }
        auto spool = open(path);
        CHECK(drain(spool) == std::vector<std::string>{told, gap(1, 1, usual_run, usual_device, "refused"),
                                                       batch(2), batch(3)});
    }
}

TEST_CASE("a disk that was full when the next numbers were reserved costs nothing after a kill") {
    const Folder folder;
    const auto path = folder / "spool";
    constexpr unsigned reserved_with_the_first = 1001;
    die_after([&] {
        auto &spool = *new DurableSpool(
            path, {10'000, 1'000'000'000, std::chrono::milliseconds(0)});  // removes at once
        push(spool, batches(0, 1));
        push(spool, batches(1, reserved_with_the_first));
        const auto sent = spool.next();
        {
            const FileLimit limit(0);
            if (push(spool, batches(2000, 2003)) != 0) return;
            ::usleep(1'100'000);  // until it tries again
            spool.remove(sent->id);
            spool.settle();
        }
        const auto push_all = [&](unsigned from, unsigned to) {
            for (int i = 0; i < 600 && from < to; ++i) {
                from += static_cast<unsigned>(push(spool, batches(from, to)));
                ::usleep(10'000);
            }
        };
        push_all(reserved_with_the_first, reserved_with_the_first + 4);
    });
    auto spool = open(path, 10'000);
    CHECK(set_aside(path).empty());
    CHECK(drain(spool) == batches(1, reserved_with_the_first + 4));
}

TEST_CASE("it is bounded in bytes as well, and takes one batch that alone reaches the bound") {
    const Folder folder;
    const std::size_t size = batch(0).size();
    auto spool = open(folder / "spool", 100, 3 * size);
    CHECK(push(spool, batches(0, 5), WhenFull::wait) == 3);
    CHECK(spool.full());
    CHECK(spool.capacity() == 3);
    CHECK(push(spool, batches(3, 5)) == 2);
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 1), batch(2), batch(3), batch(4)});
    CHECK_FALSE(spool.full());

    const std::string large = batch(5).insert(1, R"("x":")" + std::string(4 * size, 'x') + R"(",)");
    CHECK(push(spool, {large, batch(6)}, WhenFull::wait) == 1);
    CHECK(drain(spool) == std::vector<std::string>{large});
}

TEST_CASE("lowering the bound loses what no longer fits, and says so, when the next batch comes") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 10));
    }
    auto spool = open(path, 3);
    CHECK(spool.size() == 10);
    CHECK(push(spool, batches(10, 11), WhenFull::wait) == 0);
    push(spool, batches(10, 11));
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 7), batch(8), batch(9), batch(10)});
}

TEST_CASE("a long backlog is handed out in order though some comes back and more comes in") {
    const Folder folder;
    const auto path = folder / "spool";
    constexpr unsigned count = 5000;
    {
        auto spool = open(path, 100'000);
        push(spool, batches(0, count));
    }
    auto spool = open(path, 100'000);
    std::mt19937 random(7);
    std::vector<std::uint64_t> sent;
    unsigned expected = 0, in = count;
    while (spool.size() > 0) {
        while (sent.size() < 64)
            if (const auto entry = spool.next()) {
                if (entry->line != batch(expected)) FAIL("sent " << entry->line << " and not " << expected);
                ++expected;
                sent.push_back(entry->id);
            } else {
                break;
            }
        const std::size_t arrived = random() % (sent.size() + 1);
        for (std::size_t i = 0; i < arrived; ++i) spool.remove(sent[i]);
        sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(arrived));
        if (random() % 4 == 0) {  // the link is lost
            std::shuffle(sent.begin(), sent.end(), random);
            for (const auto id : sent) spool.give_back(id);
            expected -= static_cast<unsigned>(sent.size());
            sent.clear();
        }
        if (in < 2 * count && random() % 3 == 0) {
            push(spool, batches(in, in + 70), WhenFull::wait);
            in += 70;
        }
    }
    CHECK(expected == in);
    CHECK(in >= count);
}

TEST_CASE("on a full disk nothing is taken and nothing changes; later it goes on") {
    const Folder folder;
    const auto path = folder / "spool";
    auto spool = open(path, 20);
    push(spool, batches(0, 20));
    const auto in_flight = spool.next();
    {
        const FileLimit limit(fs::file_size(path.string() + "-wal") + 100);
        CHECK(push(spool, batches(20, 500)) == 0);
        CHECK(spool.size() == 20);
        CHECK(spool.loss().dropped == 0);
        CHECK(spool.line(in_flight->id) == batch(0));
        CHECK(push(spool, batches(20, 500)) == 0);  // not even tried again at once
        spool.remove(in_flight->id);
        CHECK(spool.next()->line == batch(1));
    }
    std::size_t taken = 0;
    for (int i = 0; i < 600 && taken == 0; ++i) {
        ::usleep(10'000);
        taken = push(spool, batches(20, 22));
    }
    CHECK(taken == 2);
    CHECK(spool.loss().dropped == 1);  // 0 was delivered and 1 is in flight, so there was room for one
    auto expected = batches(3, 22);
    expected.insert(expected.begin(), gap(2, 2));
    CHECK(drain(spool) == expected);
}

TEST_CASE("a push that fails halfway leaves the counts and the gap lines as they were") {
    const Folder folder;
    const auto path = folder / "spool";
    SECTION("with room") {
        auto spool = open(path, 1000);
        push(spool, batches(0, 20));
        spool.remove(spool.next()->id);
        const FileLimit limit(fs::file_size(path.string() + "-wal") + 100);
        CHECK(push(spool, batches(20, 500)) == 0);
        CHECK(spool.size() == 19);
        CHECK(drain(spool) == batches(1, 20));
    }
    SECTION("with losses") {
        auto spool = open(path, 30);
        push(spool, batches(0, 32));
        const auto sent = spool.next();
        REQUIRE(sent->line == gap(0, 1));
        push(spool, batches(32, 33));
        const FileLimit limit(fs::file_size(path.string() + "-wal") + 100);
        CHECK(push(spool, batches(33, 500)) == 0);
        CHECK(spool.loss().dropped == 3);
        CHECK(spool.size() == 32);
        spool.give_back(sent->id);
        auto expected = batches(3, 33);
        expected.insert(expected.begin(), {gap(0, 1), gap(2, 2)});
        CHECK(drain(spool) == expected);
    }
}

TEST_CASE("a second process is refused while the first lives") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        CHECK(refusal(path) == ExitCode::unavailable);
        fs::create_symlink(path, folder / "other name");
        CHECK(refusal(folder / "other name") == ExitCode::unavailable);
    }
    CHECK(refusal(path) == ExitCode::ok);
}

TEST_CASE("a spool of a newer version and a database of another program are refused and left alone") {
    const Folder folder;
    const auto path = folder / "spool";
    { push(*std::make_unique<DurableSpool>(path, DurableSpool::Bounds{9, 9999}), {batch(0)}); }
    SECTION("newer") {
        Database(path).execute("ALTER TABLE batches ADD COLUMN sent INTEGER; PRAGMA user_version=99");
    }
    SECTION("another program") {
        Database(path).execute("CREATE TABLE theirs (id INTEGER PRIMARY KEY); PRAGMA application_id=7");
    }
    SECTION("unnamed") {
        Database(path).execute("DROP TABLE gaps; PRAGMA application_id=0");
    }
    const std::string before = bytes_of(path);
    CHECK(refusal(path) == ExitCode::config);
    CHECK_THROWS_AS(read_spool_status(path), Error);
    CHECK(bytes_of(path) == before);
    CHECK(set_aside(path).empty());
}

TEST_CASE("a damaged spool is set aside whole, and a new one is begun") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path, 10'000);
        push(spool, batches(0, 2000));
    }
    const auto size = fs::file_size(path);
    REQUIRE(size > 100'000);
    SECTION("random bytes") {
        fs::remove(path);
        std::ofstream(path, std::ios::binary) << noise(50'000);
    }
    bool can_be_read = false;
    SECTION("text") {
        overwrite(path, 0, batch(0) + "\n");
    }
    SECTION("truncated") {
        fs::resize_file(path, size / 2);
    }
    SECTION("truncated within its last page, which the status does not need") {
        fs::resize_file(path, size - 1000);
        can_be_read = true;
    }
    SECTION("truncated within a page that it needs") {
        fs::resize_file(path, size - 5000);
    }
    SECTION("random bytes in its middle") {
        overwrite(path, size / 2 / 4096 * 4096, noise(4096));
    }
    SECTION("zeros in its middle") {
        overwrite(path, size / 2 / 4096 * 4096, std::string(8192, '\0'));
    }
    SECTION("zeros at its beginning") {
        overwrite(path, 0, std::string(4096, '\0'));
    }
    SECTION("another application id over our tables") {
        const auto id = GENERATE(0x424c4573, 7, 0);
        Database(path).execute("PRAGMA application_id=" + std::to_string(id));
    }
    SECTION("another version of the same tables") {
        const auto version = GENERATE(-1, 0, 3, 99);
        Database(path).execute("PRAGMA user_version=" + std::to_string(version));
    }
    SECTION("a schema format that no SQLite knows") {
        overwrite(path, 47, "D");
    }
    SECTION("a file format that SQLite would only read") {
        overwrite(path, 18, "\x03");
        can_be_read = true;
    }
    SECTION("a column of another name") {
        const auto at = bytes_of(path).find("since INTEGER");
        REQUIRE(at < 4096);
        overwrite(path, at, "sinca");
    }
    const std::string damaged = bytes_of(path);
    if (can_be_read)
        CHECK(read_spool_status(path).batches == 2000);
    else
        CHECK_THROWS_AS(read_spool_status(path), Error);
    {
        auto spool = open(path);
        CHECK(spool.size() == 0);
        push(spool, {batch(1)});
        CHECK(drain(spool) == batches(1, 2));
    }
    REQUIRE(set_aside(path).size() == 1);
    CHECK(bytes_of(set_aside(path)[0]) == damaged);
    CHECK(refusal(path) == ExitCode::ok);
    CHECK(set_aside(path).size() == 1);
}

TEST_CASE("numbers of a spool that contradict one another are damage") {
    const Folder folder;
    const auto path = folder / "spool";
    { push(*std::make_unique<DurableSpool>(path, DurableSpool::Bounds{2, 9999}), batches(0, 4)); }
    const std::string change = GENERATE(
        "DELETE FROM state", "INSERT INTO state (next_id, dropped, unnamed) VALUES (2000, 0, 0)",
        "UPDATE state SET next_id = 2", "UPDATE state SET next_id = 0", "UPDATE state SET next_id = -1",
        "UPDATE state SET next_id = 9223372036854775807", "UPDATE state SET dropped = -1",
        "UPDATE state SET unnamed = -1", "UPDATE state SET expired = -1", "UPDATE state SET lived_s = -1",
        "UPDATE state SET lived_s = 9223372036854775807", "UPDATE state SET lived_s = 4294967297",
        "UPDATE state SET uptime_s = -1", "UPDATE state SET uptime_s = 4294967297",
        "UPDATE state SET uptime_s = 9223372036854775807", "UPDATE batches SET id = -id",
        "UPDATE batches SET id = 0 WHERE id = 3", "UPDATE batches SET id = 9223372036854775807 WHERE id = 4",
        "UPDATE gaps SET id = -1", "UPDATE gaps SET id = 9223372036854775807", "UPDATE gaps SET id = 4",
        "UPDATE batches SET line = zeroblob(512001) WHERE id = 3", "UPDATE gaps SET line = zeroblob(512001)");
    INFO(change);
    Database(path).execute(change);
    {
        auto spool = open(path);
        CHECK(spool.size() == 0);
        push(spool, {batch(9)});
        CHECK(drain(spool) == batches(9, 10));
    }
    CHECK(set_aside(path).size() == 1);
}

TEST_CASE("whatever stands in a spool's lines and times, it is handed out and comes to an end") {
    const Folder folder;
    const auto path = folder / "spool";
    { push(*std::make_unique<DurableSpool>(path, DurableSpool::Bounds{2, 9999}), batches(0, 4)); }
    const std::string value = GENERATE("-9223372036854775808", "-8392867086515", "-1", "0", "253402300800000",
                                       "9223372036854775", "9223372036854775807");
    INFO(value);
    const std::string change = " SET since = " + value + ", lived_s = " + value;
    Database(path).execute("UPDATE batches" + change + "; UPDATE gaps" + change);
    const std::string line = GENERATE("since", "x''", "x'00ff0a'", "x'7b7d'", "substr(line, 1, 40)");
    INFO(line);
    Database(path).execute("UPDATE batches SET line = CAST(" + line +
                           " AS BLOB); UPDATE gaps SET line = CAST(" + line + " AS BLOB), ours = ours * 77");
    const auto status = read_spool_status(path);
    CHECK(status.oldest.has_value() == (value == "0"));
    if (status.oldest) CHECK(*status.oldest == Time{});
    auto spool = open(path, 1);
    CHECK(spool.size() == 3);
    CHECK(spool.oldest_age() >= std::chrono::milliseconds(0));
    CHECK(spool.oldest_age() < std::chrono::hours(1));
    push(spool, {batch(9)});
    const auto lines = drain(spool);
    CHECK(lines.back() == batch(9));
    CHECK(spool.size() == 0);
    CHECK(set_aside(path).empty());
}

TEST_CASE("no single flipped bit in the first page of a spool keeps it from starting") {
    const Folder folder;
    const auto path = folder / "spool";
    { push(*std::make_unique<DurableSpool>(path, DurableSpool::Bounds{99, 9999}), batches(0, 3)); }
    const std::string sound = bytes_of(path);
    // Of all bits of the two headers and of the definitions some: each start costs some syncs.
    const std::size_t definitions = sound.find("tablestate") - 40;
    std::mt19937 random(7);
    std::vector<std::pair<std::size_t, int>> flips;
    for (std::size_t at = 16; at < 108; ++at) flips.emplace_back(at, random() % 8);
    for (int i = 0; i < 30; ++i)
        flips.emplace_back(definitions + random() % (4096 - definitions), random() % 8);
    std::size_t begun_anew = 0;
    for (const auto &[at, bit] : flips) {
        INFO("byte " << at << ", bit " << bit);
        std::string bytes = sound;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        std::ofstream(path, std::ios::binary) << bytes;
        {
            auto spool = open(path);
            push(spool, {batch(3)});
            const auto lines = drain(spool);
            REQUIRE((lines == batches(0, 4) || lines == batches(3, 4)));
            begun_anew += lines.size() == 1;
            REQUIRE((lines.size() == 1) == (set_aside(path).size() == 1));
        }
        for (const auto &entry : fs::directory_iterator(folder.path())) fs::remove(entry.path());
    }
    CHECK(begun_anew > 0);
    CHECK(begun_anew < flips.size());
}

TEST_CASE("a spool whose file was emptied while its log was not is set aside with the log") {
    const Folder folder;
    const auto path = folder / "spool";
    die_after([&] {
        auto &spool = open_for_good(path);
        push(spool, batches(0, 10));
    });
    const std::string log = bytes_of(path.string() + "-wal");
    REQUIRE_FALSE(log.empty());
    fs::resize_file(path, 0);
    CHECK(open(path).size() == 0);
    REQUIRE(set_aside(path).size() == 1);
    CHECK(bytes_of(set_aside(path)[0].string() + "-wal") == log);
}

TEST_CASE("an empty file is a new spool") {
    const Folder folder;
    std::ofstream(folder / "spool");
    CHECK(open(folder / "spool").size() == 0);
    CHECK(set_aside(folder / "spool").empty());
}

TEST_CASE("a spool that cannot be opened says why") {
    const Folder folder;
    CHECK(refusal(folder / "absent/spool") == ExitCode::config);
    CHECK(refusal(folder.path()) == ExitCode::config);
}

TEST_CASE("a spool that is taken away while in use ends the program, before anything is taken") {
    const Folder folder;
    const auto path = folder / "spool";
    auto spool = open(path);
    push(spool, {batch(0)});
    fs::rename(path, folder / "elsewhere");
    CHECK_THROWS_AS(push(spool, {batch(1)}), Error);
}

TEST_CASE("the status is read beside a process that uses the spool") {
    const Folder folder;
    const auto path = folder / "spool";
    CHECK_THROWS_AS(read_spool_status(path), Error);
    auto spool = open(path, 2);
    CHECK_FALSE(read_spool_status(path).oldest);
    const Time before = now();
    push(spool, {nameless, batch(0), batch(1), batch(2)});
    const auto status = read_spool_status(path);
    CHECK(status.batches == 2);
    CHECK(status.bytes == batch(1).size() + batch(2).size());
    CHECK(status.gaps == 1);
    CHECK(status.dropped == 2);
    CHECK(status.unnamed == 1);
    REQUIRE(status.oldest);
    CHECK(*status.oldest >= before - std::chrono::milliseconds(2));
    CHECK(*status.oldest <= now());
    push(spool, {batch(3)});  // and it did not disturb
    CHECK(drain(spool) == std::vector<std::string>{gap(0, 1), batch(2), batch(3)});
}

TEST_CASE("ages go on after a restart") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path);
        push(spool, batches(0, 2));
    }
    SECTION("of a machine that runs on") {
        make_older(path, 3600, 3600);
        CHECK(open(path).oldest_age() >= std::chrono::hours(1));
    }
    SECTION("a clock that was set back makes none negative") {
        Database(path).execute("UPDATE batches SET since = since + 3600000");
        auto spool = open(path);
        CHECK(spool.oldest_age() >= std::chrono::milliseconds(0));
        CHECK(spool.oldest_age() < std::chrono::hours(1));
    }
}

TEST_CASE("a clock that is set while a spool is in use makes nothing old, and nothing of before young") {
    const Folder folder;
    const auto path = folder / "spool";
    const auto age_of_the_rest = [](Spool &spool) {
        for (int i = 0; i < 513; ++i) spool.remove(spool.next()->id);  // more than are read at once
        return spool.oldest_age();
    };
    auto spool = std::make_unique<DurableSpool>(path, DurableSpool::Bounds{10'000, 1u << 30});
    push(*spool, batches(0, 2000));
    SECTION("set ahead by years") {
        Database(path).execute("UPDATE batches SET since = 0");
        CHECK(age_of_the_rest(*spool) < std::chrono::hours(1));
    }
    SECTION("set back by years") {
        Database(path).execute("UPDATE batches SET since = since + 300000000000");
        CHECK(age_of_the_rest(*spool) >= std::chrono::milliseconds(0));
        spool.reset();
        spool = std::make_unique<DurableSpool>(path, DurableSpool::Bounds{10'000, 1u << 30});
        const auto reopened = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() < reopened + std::chrono::milliseconds(20)) {
        }
        // It waits at least as long as this run does.
        CHECK(age_of_the_rest(*spool) >= std::chrono::milliseconds(20));
    }
}

TEST_CASE("an emptied spool gives its space back") {
    const Folder folder;
    const auto path = folder / "spool";
    {
        auto spool = open(path, 100'000);
        const std::string large = batch(0).insert(1, R"("x":")" + std::string(400'000, 'x') + R"(",)");
        for (int i = 0; i < 60; ++i) push(spool, {large});
        drain(spool);
    }
    REQUIRE(fs::file_size(path) > 20'000'000);
    { open(path); }
    CHECK(fs::file_size(path) < 100'000);
}
