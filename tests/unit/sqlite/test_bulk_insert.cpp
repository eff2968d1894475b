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
    BulkInsert rows(database, "t (a, b)", 2);
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
    BulkInsert rows(database, "t (a, b)", 2);
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
