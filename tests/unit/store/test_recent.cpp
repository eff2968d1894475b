// What was stored lately is remembered until it is merged: whole, only when it was committed, and not too much of it.
#include "catch.hpp"
#include "store/sqlite/recent.hpp"
#include "store/store.hpp"

using namespace ble;

namespace {

constexpr std::int64_t received_ms = 1'000;  // of receipt

// Batch `id` has so many detections, of advertisers 1, 2, …
void remember(SqliteRecent &recent, std::int64_t id, std::int64_t detections,
              std::int64_t received_at = received_ms) {
    recent.add(id, received_at);
    for (std::int64_t i = 1; i <= detections; ++i) recent.add({id * 10, i, 3, -60, 1});
}

// How many detections of the batch are remembered; -1: it is not.
std::int64_t remembered(const SqliteRecent &recent, std::int64_t id, std::int64_t received_at = received_ms) {
    const auto heard = recent.find(id, received_at);
    if (!heard) return -1;
    for (std::size_t i = 0; i < heard->size(); ++i) {
        CHECK((*heard)[i].timestamp == id * 10);
        CHECK((*heard)[i].advertiser == static_cast<std::int64_t>(i) + 1);
    }
    return static_cast<std::int64_t>(heard->size());
}

}  // namespace

TEST_CASE("recent: what was committed is found", "[recent]") {
    SqliteRecent recent;
    remember(recent, 4, 2);
    remember(recent, 5, 0);
    CHECK(remembered(recent, 4) == -1);
    recent.commit();
    remember(recent, 7, 3);
    CHECK(remembered(recent, 4) == 2);
    CHECK(remembered(recent, 5) == 0);
    CHECK(remembered(recent, 6) == -1);
    CHECK(remembered(recent, 7) == -1);
    CHECK(remembered(recent, 4, received_ms + 1) == -1);  // another batch
}

TEST_CASE("recent: what is undone is forgotten, also what follows in the same transaction of a batch begun",
          "[recent]") {
    SqliteRecent recent;
    remember(recent, 1, 2);
    recent.commit();
    remember(recent, 2, 2);
    recent.undo();
    recent.add({20, 3, 3, -60, 1});
    remember(recent, 3, 1);
    recent.commit();
    CHECK(remembered(recent, 1) == 2);
    CHECK(remembered(recent, 2) == -1);
    CHECK(remembered(recent, 3) == 1);
    recent.undo();
    CHECK(remembered(recent, 3) == 1);
}

TEST_CASE("recent: what was merged is forgotten, and what came later is not", "[recent]") {
    SqliteRecent recent;
    for (std::int64_t id = 1; id <= 4; ++id) remember(recent, id, id);
    recent.commit();
    recent.forget_to(2);
    CHECK(remembered(recent, 2) == -1);
    CHECK(remembered(recent, 3) == 3);
    CHECK(remembered(recent, 4) == 4);
    remember(recent, 5, 5);
    recent.undo();
    recent.forget_to(9);
    CHECK(remembered(recent, 4) == -1);
    remember(recent, 10, 2);
    recent.commit();
    CHECK(remembered(recent, 10) == 2);
}

TEST_CASE("recent: an id that comes again is that of another batch", "[recent]") {
    SqliteRecent recent;
    remember(recent, 8, 1);
    remember(recent, 9, 1);
    recent.commit();
    remember(recent, 9, 4);
    recent.commit();
    CHECK(remembered(recent, 8) == -1);
    CHECK(remembered(recent, 9) == 4);
}

TEST_CASE("recent: no more is remembered than some steps merge, until they have", "[recent]") {
    SqliteRecent recent;
    std::int64_t id = 1;
    for (; id <= 10; ++id) remember(recent, id, merged_a_step / 5);
    recent.commit();
    CHECK(remembered(recent, 1) == merged_a_step / 5);
    CHECK(remembered(recent, 5) == merged_a_step / 5);
    CHECK(remembered(recent, 10) == -1);
    recent.forget_to(10);
    remember(recent, id, 2);
    recent.commit();
    CHECK(remembered(recent, id) == 2);
}
