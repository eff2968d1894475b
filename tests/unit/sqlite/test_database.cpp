#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "catch.hpp"
#include "sqlite/database.hpp"

using namespace ble;
using Kind = SqliteError::Kind;

namespace {

// A folder of its own for each test.
struct Folder {
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "blepipe-sqlite-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string file(const char *name) const { return (path / name).string(); }
    std::filesystem::path path;
};

template <class Body>
Kind kind_of(Body body) {
    try {
        body();
    } catch (const SqliteError &error) {
        return error.kind();
    }
    FAIL("no SqliteError");
    return Kind::other;
}

}  // namespace

TEST_CASE("a statement binds, steps and can be run again") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c INTEGER)");
    Statement insert(database, "INSERT INTO t (a, c) VALUES (?, ?)");
    insert.run("one", 1);
    insert.run(std::string("two"), std::optional<std::uint32_t>());
    insert.run("", true);
    CHECK(database.last_insert_id() == 3);
    Statement select(database, "SELECT a, c FROM t ORDER BY id");
    REQUIRE(select.step());
    CHECK(select.text(0) == "one");
    CHECK(select.integer(1) == 1);
    REQUIRE(select.step());
    CHECK(select.is_null(1));
    REQUIRE(select.step());
    CHECK(select.text(0).empty());
    CHECK_FALSE(select.is_null(0));
    CHECK_FALSE(select.step());
    CHECK(select.step());  // the end resets: from the beginning again
    Statement find(database, "SELECT id FROM t WHERE a = ?");
    CHECK(find.find("two") == std::optional<std::int64_t>(2));
    CHECK_FALSE(find.find("four"));
    CHECK(database.integer("SELECT count(*) FROM t") == std::optional<std::int64_t>(3));
    CHECK_FALSE(database.integer("SELECT c FROM t WHERE id = 2"));
    CHECK(database.text("SELECT a FROM t WHERE id = 2") == "two");
}

TEST_CASE("bytes and text with NUL inside survive") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a TEXT, b BLOB)");
    const std::string text("a\0b", 3);
    Statement insert(database, "INSERT INTO t VALUES (?, ?)");
    insert.bind(1, text).bind(2, Blob{text});
    insert.step();
    Statement select(database, "SELECT a, b FROM t");
    REQUIRE(select.step());
    CHECK(select.text(0) == text);
    CHECK(select.text(1) == text);
}

TEST_CASE("a transaction is rolled back unless committed") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a)");
    {
        Transaction transaction(database);
        database.execute("INSERT INTO t VALUES (1)");
        CHECK(database.in_transaction());
    }
    CHECK_FALSE(database.in_transaction());
    CHECK(database.integer("SELECT count(*) FROM t") == std::optional<std::int64_t>(0));
    Transaction transaction(database);
    database.execute("INSERT INTO t VALUES (1)");
    transaction.commit();
    CHECK(database.integer("SELECT count(*) FROM t") == std::optional<std::int64_t>(1));
}

TEST_CASE("a savepoint undoes its part only") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a)");
    Transaction transaction(database);
    database.execute("INSERT INTO t VALUES (1)");
    {
        Savepoint savepoint(database);
        database.execute("INSERT INTO t VALUES (2)");
    }
    {
        Savepoint savepoint(database);
        database.execute("INSERT INTO t VALUES (3)");
        savepoint.release();
    }
    transaction.commit();
    CHECK(database.integer("SELECT sum(a) FROM t") == std::optional<std::int64_t>(4));
}

TEST_CASE("errors are told apart by what can be done about them") {
    const Folder folder;
    Database database(folder.file("a.db"), std::chrono::milliseconds(10));
    database.execute("PRAGMA journal_mode=WAL; CREATE TABLE t (a INTEGER CHECK (a > 0))");

    SECTION("a broken rule of the schema") {
        Statement insert(database, "INSERT INTO t VALUES (?)");
        CHECK(kind_of([&] { insert.run(-1); }) == Kind::constraint);
        insert.run(1);  // usable afterwards
    }
    SECTION("a lock held by another connection passes") {
        Database other(folder.file("a.db"));
        Transaction held(other);
        CHECK(kind_of([&] { Transaction mine(database); }) == Kind::trouble);
    }
    SECTION("a full disk passes, and the transaction leaves nothing behind") {
        database.execute("PRAGMA max_page_count=2");
        CHECK(kind_of([&] {
                  Transaction transaction(database);
                  database.execute("CREATE TABLE u (a); INSERT INTO u VALUES (zeroblob(100000))");
              }) == Kind::trouble);
        CHECK_FALSE(database.in_transaction());
    }
    SECTION("a missing table is our fault") {
        CHECK(kind_of([&] { database.execute("INSERT INTO missing VALUES (1)"); }) == Kind::other);
    }
    SECTION("a file that is no database") {
        FILE *file = std::fopen(folder.file("b.db").c_str(), "w");
        for (int i = 0; i < 1000; ++i) std::fputs("no database", file);
        std::fclose(file);
        Database foreign(folder.file("b.db"));
        CHECK(kind_of([&] { foreign.integer("SELECT count(*) FROM sqlite_schema"); }) == Kind::foreign);
    }
    SECTION("a folder that does not exist") {
        CHECK(kind_of([&] { Database absent(folder.file("absent/a.db")); }) == Kind::trouble);
    }
}

TEST_CASE("a file that was deleted or renamed is noticed") {
    const Folder folder;
    Database database(folder.file("a.db"));
    database.execute("CREATE TABLE t (a)");
    CHECK_FALSE(database.moved());
    std::filesystem::rename(folder.file("a.db"), folder.file("b.db"));
    CHECK(database.moved());
}
