#include <string>

#include "catch.hpp"

#include "sqlite/bulk_insert.hpp"

using namespace ble;

namespace {

std::string rows_of(Database &database) {
    return database.text(
        "SELECT group_concat(a || ':' || ifnull(b, '-'), ' ') FROM (SELECT * FROM t ORDER BY a)");
}

}  // namespace

TEST_CASE("rows of any number are stored once each, when flushed or when they are many") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)");
    BulkInsert<std::int64_t, std::optional<std::int32_t>> rows(database, "t (a, b)");
    std::string expected;
    std::int64_t next = 0;
    for (const int count : {0, 1, 3, 8, 9, 25, 63, 64, 200}) {
        for (int i = 0; i < count; ++i, ++next) {
            const std::optional<std::int32_t> b = next % 3 == 0 ? std::optional<std::int32_t>() : 7;
            rows.add(next, b);
            expected += (expected.empty() ? "" : " ") + std::to_string(next) + (b ? ":7" : ":-");
        }
        const auto waiting = next - *database.integer("SELECT count(*) FROM t");
        CHECK(waiting == count % 64);
        rows.flush();
        CHECK(rows_of(database) == expected);
    }
}

TEST_CASE("what could not be stored is forgotten, and said") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)");
    BulkInsert<std::int64_t, std::optional<std::int32_t>> rows(database, "t (a, b)");
    for (int i = 0; i < 20; ++i) rows.add(i % 19, i);  // the last is there already
    CHECK_THROWS_AS(rows.flush(), SqliteError);
    rows.flush();
    database.execute("DELETE FROM t");
    rows.add(4, 4);
    rows.forget();
    rows.add(5, 5);
    rows.flush();
    CHECK(rows_of(database) == "5:5");
}

TEST_CASE("rows that are there already are changed as the end of the statement says") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c INTEGER)");
    BulkInsert<std::int64_t, std::string_view, std::int64_t> rows(
        database, "t", "ON CONFLICT (a) DO UPDATE SET c = min(?, c + excluded.c)");
    const std::string text = "text";
    for (const std::int64_t bound : {1'000, 150}) {
        rows.share(bound);
        for (std::int64_t a = 0; a < 75; ++a) rows.add(a, text, a);
        CHECK(rows.flush() == 75);
    }
    CHECK(database.text("SELECT count(*) || ' ' || max(c) || ' ' || sum(c) || ' ' || max(b) FROM t") ==
          "75 148 5550 text");
}

TEST_CASE("how many rows were stored tells of those that a trigger kept out") {
    Database database(":memory:");
    database.execute(
        "CREATE TABLE t (a INTEGER PRIMARY KEY);"
        "CREATE TRIGGER rule BEFORE INSERT ON t WHEN NEW.a % 10 = 3 BEGIN SELECT RAISE(IGNORE); END");
    BulkInsert<std::int64_t> rows(database, "t");
    for (std::int64_t a = 0; a < 100; ++a) rows.add(a);
    CHECK(rows.flush() == 90);
    rows.add(100);
    CHECK(rows.flush() == 1);
}

TEST_CASE("rows that are to be sorted are stored in the order of their columns, many at a time") {
    Database database(":memory:");
    database.execute("CREATE TABLE t (a INTEGER, b INTEGER)");
    BulkInsert<std::int64_t, std::int64_t> rows(database, "t (a, b)", {}, 100);
    for (std::int64_t i = 0; i < 99; ++i) rows.add((i * 7) % 10, i);
    CHECK(database.integer("SELECT count(*) FROM t") == 0);
    rows.add(3, -1);
    CHECK(database.integer("SELECT count(*) FROM t") == 100);
    rows.add(0, 0);
    CHECK(rows.flush() == 101);
    CHECK(database.integer("SELECT count(*) FROM (SELECT a, b, lag(a) OVER (ORDER BY rowid) AS before_a,"
                           " lag(b) OVER (ORDER BY rowid) AS before_b FROM t WHERE rowid <= 100)"
                           " WHERE (before_a, before_b) > (a, b)") == 0);
    CHECK(database.text("SELECT a || ':' || b FROM t WHERE rowid = 101") == "0:0");
}
