#include "store_suite.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/digest.hpp"
#include "batch/sender.hpp"
#include "catch.hpp"

namespace ble::test {
namespace {

using Rows = std::vector<std::string>;
using std::chrono::days;
using std::chrono::seconds;

const Time received = at("2026-11-22T12:00:00Z");

// Everything that is promised to be independent of order, and nothing that is not (ids).
Rows contents(const StoreUnderTest &test) {
    Rows all;
    for (
        const char *sql : {
            "SELECT device_id, name, location, first_seen, last_seen, last_received FROM devices ORDER BY 1",
            "SELECT devices.device_id, runs.run_id, seq FROM devices JOIN batches ON batches.id = last_batch "
            "JOIN runs "
            "ON runs.id = batches.run ORDER BY 1",
            "SELECT device_id, run_id, next_seq, hash_id FROM runs JOIN devices ON devices.id = runs.device "
            "ORDER BY 1, 2",
            "SELECT run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run ORDER BY 1, 2",
            "SELECT run_id, seq, timestamp, received_at, clock, name, location, window_ms, interval_ms FROM "
            "batches"
            " JOIN runs ON runs.id = batches.run LEFT JOIN places ON places.id = batches.place ORDER BY 1, 2",
            "SELECT device_hash, first_seen, last_seen, detections FROM advertisers ORDER BY 1",
            "SELECT device_id, run_id, seq, device_hash, rssi, zone, timestamp, count, details FROM "
            "detection_log"
            " ORDER BY 1, 2, 3, 4",
        })
        for (auto &row : test.rows(sql)) all.push_back(std::move(row));
    return all;
}

std::int64_t ms(Time time) {
    return time.time_since_epoch() / std::chrono::milliseconds(1);
}

Gap make_gap(std::uint64_t from, std::uint64_t to, const char *reason = "buffer_full") {
    return {"pi-1", "run", from, to, reason};
}

Rows gaps(const StoreUnderTest &test) {
    return test.rows("SELECT from_seq, to_seq, reason FROM gaps ORDER BY 1");
}

std::int64_t count(const StoreUnderTest &test, const std::string &table) {
    return std::stoll(test.rows("SELECT count(*) FROM " + table).at(0));
}

void stores_what_a_batch_says(const StoreUnderTest &test) {
    Batch batch = make_batch(0, 1);
    batch.detections[0].details = R"({"tx_power":-7})";
    CHECK(kinds(Lines().batch(batch).store(*test.store, received)) == "s");
    CHECK(
        test.rows("SELECT device_id, name, location, device_hash, rssi, zone, timestamp, count, run_id, seq,"
                  " received_at, details FROM detection_log") ==
        Rows{"pi-1|Lab|2nd floor|" + hash_of(0) +
             "|-40|near|2026-11-22T06:00:00.250Z|3|run|0|2026-11-22T12:00:00.000Z|{\"tx_power\":-7}"});
    CHECK(test.rows("SELECT device_id, listened_from, listened_until, clock FROM coverage") ==
          Rows{"pi-1|2026-11-22T05:59:50.000Z|2026-11-22T06:00:00.000Z|synced"});
    CHECK(test.rows("SELECT device_id, name, first_seen, last_seen, clock, hash_id, batches_missing FROM "
                    "device_status") ==
          Rows{"pi-1|Lab|2026-11-22T06:00:00.000Z|2026-11-22T06:00:00.000Z|synced|a41c09d2|0"});
}

// Else a query for it would fail as long as it is there.
void stores_text_that_a_database_can_take_apart(const StoreUnderTest &test) {
    Batch batch = make_batch(0, 2);
    batch.detections[0].details = R"({"beacon":{"uuid":"a\u0000b\\u0000\\\u0000","ma\u0000jor":1}})";
    batch.detections[1].details = R"({"beacon":{"uuid":"c","major":2}})";
    CHECK(kinds(Lines().batch(batch).store(*test.store, received)) == "s");
    CHECK(test.rows("SELECT details -> 'beacon' ->> 'uuid' FROM details ORDER BY 1") ==
          Rows{"a\xef\xbf\xbd"
               "b\\u0000\\\xef\xbf\xbd",
               "c"});
    CHECK(test.rows("SELECT details -> 'beacon' ->> 'major' FROM details WHERE details -> 'beacon' ->> "
                    "'uuid' = 'c'") == Rows{"2"});
}

void stores_counts_without_hashes(const StoreUnderTest &test) {
    Batch counts = make_batch(0, 0), empty = make_batch(1, 0);
    counts.hash_id.reset();
    counts.occupancy = {3, 0, 12};
    empty.occupancy = Occupancy{};
    CHECK(kinds(Lines().batch(counts).batch(empty).batch(make_batch(2)).store(*test.store, received)) ==
          "sss");
    CHECK(test.rows("SELECT device_id, name, location, timestamp, near, medium, far, advertisers, window_ms"
                    " FROM occupancy ORDER BY timestamp_ms") ==
          Rows{"pi-1|Lab|2nd floor|2026-11-22T06:00:00.000Z|3|0|12|15|10000",
               "pi-1|Lab|2nd floor|2026-11-22T06:00:10.000Z|0|0|0|0|10000"});
    CHECK(test.rows("SELECT windows FROM coverage") == Rows{"3"});
}

void stores_each_batch_once(const StoreUnderTest &test) {
    Lines lines;
    lines.batch(make_batch(0)).batch(make_batch(1)).batch(make_batch(0));
    CHECK(kinds(lines.store(*test.store, received)) == "ssd");
    CHECK(kinds(lines.store(*test.store, received + seconds(5))) == "ddd");
    CHECK(count(test, "batches") == 2);
    CHECK(test.rows("SELECT detections FROM advertisers ORDER BY id") == Rows{"2", "2"});
}

void names_batches_by_device_and_run(const StoreUnderTest &test) {
    Batch other_device = make_batch(0), other_run = make_batch(0);
    other_device.device_id = "pi-2";
    other_run.position->run_id = "run-2";
    CHECK(
        kinds(
            Lines().batch(make_batch(0)).batch(other_device).batch(other_run).store(*test.store, received)) ==
        "sss");
    CHECK(count(test, "runs") == 3);
}

void names_others_by_their_line(const StoreUnderTest &test) {
    Batch batch = make_batch(0);
    batch.position.reset();
    const auto lines = [&] {
        Lines made;
        made.batch(batch, "one").batch(batch, "two").batch(batch, "one");
        return made;
    }();
    CHECK(kinds(lines.store(*test.store, received)) == "ssd");
    CHECK(kinds(lines.store(*test.store, received)) == "ddd");
    CHECK(count(test, "batches WHERE run IS NULL AND seq IS NULL") == 2);
}

void shows_holes_and_closes_them(const StoreUnderTest &test) {
    const auto found = Lines().batch(make_batch(3)).store(*test.store, received);
    REQUIRE(found.holes.size() == 1);
    CHECK(found.holes[0].to_seq == 2);
    CHECK(found.holes[0].reason == "missing");
    CHECK(gaps(test) == Rows{"0|2|missing"});
    CHECK(test.rows("SELECT what, device_id, run_id, from_seq, to_seq, batches, since, reason FROM missing"
                    " WHERE what = 'batches'") ==
          Rows{"batches|pi-1|run|0|2|3|2026-11-22T12:00:00.000Z|missing"});
    CHECK(kinds(Lines().batch(make_batch(1)).store(*test.store, received)) == "s");
    CHECK(gaps(test) == Rows{"0|0|missing", "2|2|missing"});
    CHECK(kinds(Lines()
                    .batch(make_batch(1))
                    .batch(make_batch(0))
                    .batch(make_batch(2))
                    .store(*test.store, received)) == "dss");
    CHECK(gaps(test).empty());
}

void labels_holes(const StoreUnderTest &test) {
    Lines().batch(make_batch(0)).batch(make_batch(5)).store(*test.store, received);
    // Batch 5 is stored: only 3 and 4 are labelled, and 6 becomes known.
    const auto result = Lines().gap(make_gap(3, 6)).store(*test.store, received);
    CHECK(kinds(result) == "s");
    CHECK(result.holes.size() == 2);
    CHECK(gaps(test) == Rows{"1|2|missing", "3|4|buffer_full", "6|6|buffer_full"});
    CHECK(kinds(Lines().gap(make_gap(3, 6)).store(*test.store, received)) == "d");
    CHECK(kinds(Lines().batch(make_batch(6)).store(*test.store, received)) == "s");
    CHECK(kinds(Lines().gap(make_gap(6, 6)).store(*test.store, received)) == "d");
    // Neighbours with one reason are one hole, however they were found.
    Lines().gap(make_gap(7, 8, "missing")).store(*test.store, received);
    Lines().gap(make_gap(12, 12)).store(*test.store, received);
    CHECK(gaps(test) == Rows{"1|2|missing", "3|4|buffer_full", "7|11|missing", "12|12|buffer_full"});
    // A gap line may be the first that is ever heard of a run, and of a device.
    Gap far = make_gap(10, 11);
    far.device_id = "pi-9";
    CHECK(Lines().gap(far).store(*test.store, received).holes.size() == 2);
}

void tells_of_a_bounded_number_of_holes(const StoreUnderTest &test) {
    constexpr std::uint64_t all = StoreResult::most_holes + 5;
    Lines odd;
    for (std::uint64_t hole = 0; hole < all; ++hole) odd.batch(make_batch(2 * hole + 1, 0));
    const auto result = odd.store(*test.store, received);
    CHECK(result.holes.size() == StoreResult::most_holes);
    CHECK(result.untold == 5);
    CHECK(count(test, "gaps") == static_cast<std::int64_t>(all));
}

void changes_few_holes_by_one_line(const StoreUnderTest &test) {
    Lines odd;
    for (std::uint64_t hole = 0; hole < 150; ++hole) odd.batch(make_batch(2 * hole + 1, 0));
    odd.store(*test.store, received);
    const auto result = Lines().gap(make_gap(0, 198)).gap(make_gap(0, 300)).store(*test.store, received);
    CHECK(kinds(result) == "sr");
    CHECK(result.outcomes[1].reason == "its hole is in more than 100 pieces here");
    CHECK(result.holes.size() == 100);
    CHECK(count(test, "gaps WHERE reason = 'buffer_full'") == 100);
    CHECK(count(test, "gaps WHERE reason = 'missing'") == 50);
    // Nothing else of the run suffers.
    CHECK(kinds(Lines()
                    .batch(make_batch(0))
                    .batch(make_batch(298))
                    .batch(make_batch(302))
                    .store(*test.store, received)) == "sss");
}

// `line`: as its sender wrote it, of which the store takes the digest.
Lines sent_by(const char *sender, Batch batch, const std::string &line) {
    Lines lines;
    if (*sender == '\0') return std::move(lines.batch(std::move(batch), line));
    batch.sender = sender;
    return std::move(lines.batch(std::move(batch), with_sender(line, sender)));
}

void knows_another_content_under_a_known_name(const StoreUnderTest &test) {
    const std::string real = R"({"a":1})", empty = R"({"a":2})";
    CHECK(kinds(sent_by("key pi-1", make_batch(0), real).store(*test.store, received)) == "s");
    CHECK(kinds(sent_by("mqtt pi-1", make_batch(0), real).store(*test.store, received)) == "d");
    CHECK(kinds(sent_by("", make_batch(0), real).store(*test.store, received)) == "d");
    CHECK(test.rows("SELECT conflicts, last_conflict FROM device_status") == Rows{"0|"});
    const auto result =
        sent_by("key pi-9", make_batch(0, 0), empty).store(*test.store, received + seconds(1));
    CHECK(kinds(result) == "c");
    CHECK(result.outcomes[0].reason ==
          "another content is stored under this device_id, run_id and seq, sent by key pi-1");
    REQUIRE(result.conflicts.size() == 1);
    CHECK(result.conflicts[0].device_id == "pi-1");
    CHECK(result.conflicts[0].position.seq == 0);
    CHECK(result.conflicts[0].stored_sender == "key pi-1");
    CHECK(result.conflicts[0].sender == "key pi-9");
    CHECK(kinds(sent_by("", make_batch(0, 0), empty).store(*test.again(), received + seconds(2))) == "c");
    CHECK(test.rows("SELECT device_id, sender, conflicts, last_conflict FROM device_status") ==
          Rows{"pi-1|key pi-1|2|2026-11-22T12:00:02.000Z"});
    CHECK(count(test, "batches") == 1);
    CHECK(count(test, "detections") == 2);
    // What is only known to be missing, or is named by its line, has no other content.
    Lines().gap(make_gap(1, 1)).store(*test.store, received);
    CHECK(kinds(sent_by("", make_batch(1), empty).store(*test.store, received)) == "s");
    // The digest goes with the batch: then it is known, and no more can be told.
    expire(*test.store, days(1), received + days(2));
    CHECK(count(test, "batches") == 0);
    CHECK(kinds(sent_by("key pi-9", make_batch(0, 0), empty).store(*test.store, received + days(3))) == "d");
}

void tells_who_sent_what(const StoreUnderTest &test) {
    sent_by("key pi-1", make_batch(0, 1), R"({"a":1})").store(*test.store, received);
    sent_by("mqtt pi-1", make_batch(1, 1), R"({"a":2})").store(*test.store, received);
    CHECK(test.rows("SELECT sender FROM device_status") == Rows{"mqtt pi-1"});
    Lines().batch(make_batch(2, 1)).store(*test.store, received);
    CHECK(test.rows("SELECT sender FROM device_status") == Rows{""});
    CHECK(test.rows("SELECT seq, sender FROM detection_log ORDER BY seq") ==
          Rows{"0|key pi-1", "1|mqtt pi-1", "2|"});
    CHECK(test.rows("SELECT sender FROM windows ORDER BY timestamp_ms") == Rows{"key pi-1", "mqtt pi-1", ""});
    // In order of arrival, whatever time it says.
    Batch old = make_batch(3, 1);
    old.timestamp = at("2026-01-01T00:00:00Z");
    sent_by("key pi-9", old, R"({"a":3})").store(*test.store, received);
    CHECK(test.rows("SELECT sender FROM device_status") == Rows{"key pi-9"});
}

void tells_which_version_a_pi_runs(const StoreUnderTest &test) {
    const auto from = [](std::uint64_t seq, std::optional<std::string> version) {
        Batch batch = make_batch(seq, 0);
        batch.version = std::move(version);
        return batch;
    };
    const auto shown = [&] { return test.rows("SELECT version, version IS NULL FROM device_status"); };
    Lines().batch(from(0, "0.1.0")).batch(from(1, "0.2.0")).store(*test.store, received);
    CHECK(shown() == Rows{"0.2.0|0"});
    // In order of arrival, whatever time it says, and what is known already tells nothing new.
    Batch old = from(2, "0.1.9");
    old.timestamp = at("2026-01-01T00:00:00Z");
    Lines().batch(old).batch(from(0, "0.1.0")).store(*test.again(), received);
    CHECK(shown() == Rows{"0.1.9|0"});
    Lines().batch(from(3, {})).store(*test.store, received);
    CHECK(shown() == Rows{"|1"});
}

void tells_a_bounded_number_of_senders_apart(const StoreUnderTest &test) {
    Lines lines;
    for (std::uint64_t seq = 0; seq < 10'050; ++seq) {
        Batch batch = make_batch(seq, 0);
        batch.sender = "key " + std::to_string(seq);
        lines.batch(batch);
    }
    lines.store(*test.store, received);
    CHECK(count(test, "senders") == 10'001);
    CHECK(count(test, "windows WHERE sender = 'others'") == 50);
    CHECK(test.rows("SELECT sender FROM device_status") == Rows{"others"});
    CHECK(kinds(sent_by("key 7", make_batch(20'000), R"({"a":1})").store(*test.again(), received)) == "s");
    CHECK(test.rows("SELECT sender FROM device_status") == Rows{"key 7"});
}

// Names that nothing refers to any more, whoever made them up.
void forgets_names(const StoreUnderTest &test) {
    Lines flood;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        Batch batch = make_batch(7, 1);
        batch.device_id = "pi-" + std::to_string(i);
        batch.position->run_id = "run-" + std::to_string(i);
        batch.name = "name " + std::to_string(i);
        batch.sender = "key " + std::to_string(i);
        flood.batch(batch);
    }
    flood.store(*test.store, received);
    Lines().gap({"pi-gap", "run", 3, 7, "refused"}).store(*test.store, received);
    Lines().batch(make_batch(0)).batch(make_batch(2)).store(*test.store, received);
    CHECK(count(test, "gaps") == 3000 + 2 + 1);
    // Still heard of, if only by what is known already.
    for (int day = 1; day <= 29; ++day) Lines().batch(make_batch(0)).store(*test.store, received + days(day));
    expire(*test.store, days(1), received + days(29));
    CHECK(count(test, "batches") == 0);
    CHECK(count(test, "places") == 0);
    CHECK(count(test, "senders") == 0);
    CHECK(count(test, "runs") == 3002);
    CHECK(kinds(Lines().batch(make_batch(2)).store(*test.store, received + days(29))) == "d");
    std::size_t forgotten = 0;
    for (bool more = true; more;) {
        const auto expired = test.store->retain(days(1), clocks_at(received + days(31)));
        forgotten += expired.devices.size();
        more = expired.more;
    }
    CHECK(forgotten == 3000);
    CHECK(test.rows("SELECT device_id, run_id FROM devices JOIN runs ON runs.device = devices.id") ==
          Rows{"pi-1|run"});
    CHECK(gaps(test) == Rows{"1|1|missing"});
    // Another process may remember the ids.
    Batch again = make_batch(8, 1);
    again.device_id = "pi-5";
    again.position->run_id = "run-5";
    again.name = "name 5";
    again.sender = "key 5";
    CHECK(kinds(Lines().batch(again).store(*test.store, received + days(31))) == "s");
    CHECK(test.rows("SELECT device_id, run_id, name, sender FROM detection_log") ==
          Rows{"pi-5|run-5|name 5|key 5"});
    // With a longer retention all stay as long.
    expire(*test.store, days(90), received + days(100));
    CHECK(count(test, "runs") == 2);
    expire(*test.store, days(90), received + days(122));
    CHECK(count(test, "runs") + count(test, "devices") + count(test, "gaps") + count(test, "places") == 0);
}

void deletes_times_far_apart(const StoreUnderTest &test) {
    Lines lines;
    for (std::uint64_t seq = 0; seq < 50; ++seq) {
        Batch batch = make_batch(seq, 3);
        batch.detections[1].timestamp = at("1970-01-01T00:00:00Z");
        batch.detections[2].timestamp = at("9999-12-31T23:59:59Z");
        lines.batch(batch);
    }
    lines.store(*test.store, received);
    Lines().batch(make_batch(50, 1)).store(*test.store, received + days(2));
    CHECK(test.rows("SELECT min(first_seen), max(last_seen) FROM advertisers") ==
          Rows{std::to_string(ms(at("2026-11-22T06:00:00.250Z"))) + "|" + std::to_string(ms(received))});
    expire(*test.store, days(1), received + days(2));
    CHECK(count(test, "batches") == 1);
    CHECK(count(test, "detections") == 1);
    CHECK(count(test, "scattered") == 0);
    CHECK(test.rows("SELECT detections FROM advertisers") == Rows{"1"});
}

// One line of a run, as it may be delivered: a batch, or a gap line.
struct Delivery {
    std::string run;
    std::uint64_t from, to;
    std::string reason;  // empty: a batch
};

std::vector<Delivery> make_run(std::mt19937 &random, const std::string &run) {
    std::vector<Delivery> lines;
    for (std::uint64_t seq = 0; seq < 40; ++seq) {
        if (random() % 4 != 0) lines.push_back({run, seq, seq, ""});
        // Before and after the batches that they tell of, overlapping, for different reasons, of stored batches as well.
        for (auto left = random() % 8; left > 5; --left) {
            constexpr const char *reasons[] = {"rejected", "buffer_full", "missing", "refused"};
            const auto from = seq - std::min<std::uint64_t>(seq, random() % 9), to = seq + random() % 6;
            lines.push_back({run, from, to, reasons[random() % 4]});
        }
    }
    return lines;
}

// What is to be known of a run's holes, by the words of blepipe-batch(5).
Rows expected_holes(const std::vector<Delivery> &lines) {
    std::map<std::uint64_t, std::string> reasons;
    std::set<std::uint64_t> stored;
    std::uint64_t next = 0;
    for (const auto &line : lines) {
        next = std::max(next, line.to + 1);
        if (line.reason.empty()) stored.insert(line.from);
        for (auto seq = line.from; seq <= line.to && line.reason != "missing"; ++seq) {
            std::string &reason = reasons[seq];
            if (reason.empty() || line.reason < reason) reason = line.reason;
        }
    }
    const auto reason_of = [&](std::uint64_t seq) {
        if (stored.contains(seq)) return std::string();
        return reasons[seq].empty() ? std::string("missing") : reasons[seq];
    };
    Rows rows;
    for (std::uint64_t from = 0, end = 0; from < next; from = end) {
        const std::string reason = reason_of(from);
        for (end = from + 1; end < next && reason_of(end) == reason;) ++end;
        if (!reason.empty())
            rows.push_back(lines.front().run + '|' + std::to_string(from) + '|' + std::to_string(end - 1) +
                           '|' + reason);
    }
    return rows;
}

// In transactions of a few lines each, by any of the writers; when there are several, now and then in vain at first.
void deliver(const StoreUnderTest &test, const std::vector<Store *> &writers,
             const std::vector<Delivery> &deliveries, std::mt19937 &random) {
    for (std::size_t i = 0; i < deliveries.size();) {
        Lines lines;
        for (auto left = 1 + random() % 9; left > 0 && i < deliveries.size(); --left, ++i) {
            const auto &item = deliveries[i];
            Batch batch = make_batch(item.from);
            batch.position->run_id = item.run;
            if (item.run == "run b") *batch.timestamp += std::chrono::hours(1);
            item.reason.empty() ? lines.batch(batch)
                                : lines.gap({"pi-1", item.run, item.from, item.to, item.reason});
        }
        Store &writer = *writers[random() % writers.size()];
        if (writers.size() > 1 && random() % 8 == 0) {
            const auto full = test.trouble();
            try {
                const std::string outcome = kinds(lines.store(writer, received));
                CHECK(outcome.find('s') == std::string::npos);  // there was nothing to write
            } catch (const StoreTrouble &) {
            }
        }
        lines.store(writer, received);
    }
}

// Any order and any repetition of deliveries, in any transactions of any writers, gives what each line once and in order
// gives. Only the times of receipt (received_at, last_received, noticed_at) depend on when a line came: here all are one.
void is_independent_of_order(const std::function<StoreUnderTest()> &open) {
    const auto seed = GENERATE(range(0u, 48u));
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto one = make_run(random, "run a"), two = make_run(random, "run b");
    Rows holes = expected_holes(one);
    for (auto &hole : expected_holes(two)) holes.push_back(std::move(hole));
    auto all = one;
    all.insert(all.end(), two.begin(), two.end());
    const auto in_order = open(), any_order = open();
    deliver(in_order, {in_order.store.get()}, all, random);
    auto shuffled = all;
    for (int i = 0; i < 60; ++i) shuffled.push_back(all[random() % all.size()]);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const auto other = any_order.again();
    deliver(any_order, {any_order.store.get(), other.get()}, shuffled, random);
    CHECK(contents(any_order) == contents(in_order));
    CHECK(any_order.rows("SELECT run_id, from_seq, to_seq, reason FROM gaps JOIN runs ON runs.id = gaps.run "
                         "ORDER BY 1, 2") == holes);
}

// Windows that follow each other are one row; a missing one, another place or another clock begins a new one.
void joins_windows(const StoreUnderTest &test) {
    Lines lines;
    for (std::uint64_t seq = 0; seq < 12; ++seq) {
        Batch batch = make_batch(seq);
        batch.timestamp =
            at("2026-11-22T06:00:00Z") + seconds(30 * seq) + std::chrono::milliseconds(seq % 3 * 200);
        if (seq >= 8) batch.location = "Cellar";
        if (seq == 6) batch.window_ms = 4'500;
        if (seq == 11) batch.clock_synced = false;
        if (seq != 4) lines.batch(batch);
    }
    Batch unmeasured = make_batch(20);
    unmeasured.window_ms.reset();
    lines.batch(unmeasured).store(*test.store, received);
    CHECK(test.rows("SELECT location, substr(listened_from, 12, 8), substr(listened_until, 12, 8), windows, "
                    "listened_s, clock FROM coverage") ==
          Rows{"Cellar|06:05:20|06:05:30|1|10.0|unsynced", "Cellar|06:03:50|06:05:00|3|30.0|synced",
               "2nd floor|06:02:20|06:03:30|3|24.5|synced", "2nd floor|05:59:50|06:01:30|4|40.0|synced"});
    CHECK(count(test, "windows") == 11);
}

void refuses_nothing_when_two_write(const StoreUnderTest &test) {
    const auto other = test.again();
    for (std::uint64_t seq = 0; seq < 20; ++seq) {
        Lines lines;
        lines.batch(make_batch(seq, static_cast<int>(seq) + 1));  // each time an advertiser that is new
        CHECK(kinds(lines.store(seq % 2 == 0 ? *test.store : *other, received)) == "s");
        CHECK(kinds(lines.store(seq % 2 == 0 ? *other : *test.store, received)) == "d");
    }
    CHECK(count(test, "advertisers") == 20);
    CHECK(test.rows("SELECT sum(detections) FROM advertisers") == Rows{"210"});
    CHECK(gaps(test).empty());
}

void keeps_the_place_of_each_batch(const StoreUnderTest &test) {
    Batch moved = make_batch(1, 1);
    moved.location = "Cellar";
    Lines().batch(moved).batch(make_batch(0, 1)).store(*test.store, received);
    CHECK(test.rows("SELECT seq, location FROM detection_log ORDER BY seq") ==
          Rows{"0|2nd floor", "1|Cellar"});
    CHECK(test.rows("SELECT location FROM device_status") ==
          Rows{"Cellar"});  // the newest batch says it, not the last
}

void does_not_trust_a_wrong_clock(const StoreUnderTest &test) {
    Batch ahead = make_batch(0, 1), unsynced = make_batch(1, 1);
    ahead.timestamp = ahead.detections[0].timestamp = at("2036-01-01T00:00:00Z");
    unsynced.timestamp = unsynced.detections[0].timestamp = at("1971-01-01T00:00:00Z");
    unsynced.clock_synced = false;
    Lines().batch(ahead).batch(unsynced).store(*test.store, received);
    CHECK(test.rows("SELECT first_seen, last_seen FROM device_status") ==
          Rows{"2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z"});
    CHECK(test.rows("SELECT timestamp FROM detection_log ORDER BY 1") ==
          Rows{"1971-01-01T00:00:00.000Z", "2036-01-01T00:00:00.000Z"});
}

// The backend's clock was ahead for one batch, whose Pi did not know better. The next ones are the newest all the same.
void forgets_a_clock_that_was_ahead(const StoreUnderTest &test) {
    Batch ahead = make_batch(0, 1), moved = make_batch(1, 1);
    ahead.clock_synced = moved.clock_synced = false;
    moved.location = "Cellar";
    moved.timestamp = at("2026-11-22T06:00:00Z") - days(100);
    Lines().batch(ahead).store(*test.store, received + days(30));
    Lines().batch(moved).store(*test.store, received);
    CHECK(test.rows("SELECT location, last_seen, last_received FROM device_status") ==
          Rows{"Cellar|2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z"});
    CHECK(test.rows("SELECT seq FROM devices JOIN batches ON batches.id = last_batch") == Rows{"1"});
    CHECK(test.rows("SELECT last_seen FROM advertisers") == test.rows("SELECT last_seen FROM devices"));
    // An older one that comes late is not the newest.
    Batch late = make_batch(2, 1);
    late.timestamp = at("2026-11-22T05:00:00Z");
    Lines().batch(late).store(*test.store, received + seconds(1));
    CHECK(test.rows("SELECT location, last_seen FROM device_status") ==
          Rows{"Cellar|2026-11-22T12:00:00.000Z"});
}

void tells_who_is_where(const StoreUnderTest &test) {
    const Time present = now();
    Batch near = make_batch(0, 1), far = make_batch(0, 1), old = make_batch(1, 2);
    for (auto *batch : {&near, &far, &old}) {
        batch->timestamp = present;
        for (auto &detection : batch->detections) detection.timestamp = present - seconds(5);
    }
    old.detections[1].timestamp = present - seconds(120);
    old.detections[0].rssi_dbm = -90;
    far.device_id = "pi-2";
    far.detections[0].rssi_dbm = -80;
    far.detections[0].zone = Zone::far;
    Lines().batch(far).batch(near).batch(old).store(*test.store, present);
    CHECK(test.rows("SELECT device_hash, device_id, rssi, zone FROM presence") ==
          Rows{hash_of(0) + "|pi-1|-40|near"});
    CHECK(test.rows("SELECT * FROM missing").empty());
}

void names_silent_devices(const StoreUnderTest &test) {
    Lines().batch(make_batch(0)).store(*test.store, now() - std::chrono::minutes(6));
    CHECK(test.rows("SELECT what, device_id, reason FROM missing") == Rows{"device|pi-1|silent"});
    // Received in the future, which no clock that is right can have said: then the Pi's own clock counts, if it can.
    Batch dead = make_batch(0), lost = make_batch(0);
    dead.device_id = "pi-2";
    dead.timestamp = now() - std::chrono::hours(2);
    lost.device_id = "pi-3";
    lost.timestamp = now() + days(20);
    Lines().batch(dead).batch(lost).store(*test.store, now() + days(30));
    CHECK(test.rows("SELECT device_id, silent_s / 60 FROM device_status ORDER BY 1") ==
          Rows{"pi-1|6", "pi-2|120", "pi-3|"});
    CHECK(test.rows("SELECT device_id, reason FROM missing ORDER BY 1") ==
          Rows{"pi-1|silent", "pi-2|silent", "pi-3|silent"});
    Batch back = make_batch(1);
    back.device_id = "pi-3";
    back.timestamp = now();
    Lines().batch(back).store(*test.store, now());
    CHECK(test.rows("SELECT device_id FROM missing ORDER BY 1") == Rows{"pi-1", "pi-2"});
    CHECK(test.rows("SELECT silent_s < 60 FROM device_status WHERE device_id = 'pi-3'") == Rows{"1"});
}

void deletes_what_is_old(const StoreUnderTest &test) {
    Batch hashed = make_batch(0, 1);
    hashed.position.reset();
    Lines().batch(hashed, "line").store(*test.store, received);
    for (std::uint64_t seq = 0; seq < 300; ++seq)
        Lines().batch(make_batch(seq, 20)).store(*test.store, received + seconds(seq));
    Batch keeps = make_batch(302, 1);
    keeps.detections[0].details = R"({"a":1})";
    *keeps.timestamp += days(10);  // rollups of a day go together
    keeps.detections[0].timestamp += days(10);
    Lines().batch(keeps).store(*test.store, received + days(10));
    CHECK(expire(*test.store, days(9), received + days(10)) > 5);  // small ones
    CHECK(count(test, "batches") == 1);
    CHECK(count(test, "detections") == 1);
    CHECK(count(test, "details") == 1);
    CHECK(test.rows("SELECT device_hash, detections FROM advertisers") == Rows{hash_of(0) + "|1"});
    CHECK(gaps(test) == Rows{"300|301|missing"});
    // Known by their run for as long as it is heard of, and at least 90 days by their hash.
    CHECK(kinds(Lines().batch(make_batch(7)).batch(hashed, "line").store(*test.store, received + days(11))) ==
          "dd");
    expire(*test.store, seconds(1), received + days(89));
    CHECK(count(test, "advertisers") == 0);
    CHECK(kinds(Lines().batch(hashed, "line").store(*test.store, received + days(89))) == "d");
    expire(*test.store, days(1), received + days(90) + seconds(2));
    CHECK(kinds(Lines().batch(hashed, "line").store(*test.store, received + days(91))) == "s");
    CHECK(count(test, "devices") == 1);
}

// Another process deletes an advertiser whose id this one remembers.
void forgets_what_another_deleted(const StoreUnderTest &test) {
    Lines().batch(make_batch(0)).store(*test.store, received);
    const auto other = test.again();
    expire(*other, seconds(1), received + days(1));
    CHECK(count(test, "advertisers") == 0);
    Lines().batch(make_batch(1)).store(*test.store, received + days(2));
    CHECK(count(test, "detection_log") == 2);
    CHECK(count(test, "advertisers") == 2);
}

}  // namespace

Time at(const char *text) {
    return parse_rfc3339(text).value();
}

Clocks clocks_at(Time time) {
    return {time, std::chrono::floor<seconds>(time.time_since_epoch()), "start", true};
}

int expire(Store &store, seconds keep, Time time) {
    int steps = 0;
    for (std::uint64_t deleted = 1; deleted > 0; time += std::chrono::hours(1)) {
        deleted = 0;
        for (bool more = true; more; ++steps) {
            const Expired expired = store.retain(keep, clocks_at(time));
            more = expired.more;
            deleted += expired.batches;
        }
    }
    return steps;
}

std::string hash_of(int advertiser) {
    return hex(sha256("advertiser " + std::to_string(advertiser)));
}

Batch make_batch(std::uint64_t seq, int detections) {
    Batch batch;
    batch.device_id = "pi-1";
    batch.name = "Lab";
    batch.location = "2nd floor";
    batch.timestamp = at("2026-11-22T06:00:00Z") + seconds(10 * seq);
    batch.position = RunPosition{"run", seq};
    batch.window_ms = 10'000;
    batch.interval_ms = 30'000;
    batch.clock_synced = true;
    batch.hash_id = "a41c09d2";
    for (int i = 0; i < detections; ++i)
        batch.detections.push_back({DeviceHash(hash_of(i)),
                                    -40 - i,
                                    Zone::near,
                                    *batch.timestamp + std::chrono::milliseconds(250),
                                    3,
                                    {}});
    return batch;
}

Lines &Lines::batch(Batch batch, std::string line) {
    lines_.push_back({std::move(line), std::make_unique<Batch>(std::move(batch)), nullptr});
    return *this;
}

Lines &Lines::gap(Gap gap) {
    lines_.push_back({"", nullptr, std::make_unique<Gap>(std::move(gap))});
    return *this;
}

StoreResult Lines::store(Store &store, Time received_at) const {
    return this->store(store, clocks_at(received_at));
}

StoreResult Lines::store(Store &store, const Clocks &present) const {
    std::vector<StoreItem> items;
    for (const auto &line : lines_) items.push_back({line.line, line.batch.get(), line.gap.get()});
    return store.store(items, present);
}

std::string kinds(const StoreResult &result) {
    std::string letters;
    for (const auto &outcome : result.outcomes)
        letters += outcome.kind == StoreOutcome::Kind::stored      ? 's'
                   : outcome.kind == StoreOutcome::Kind::duplicate ? 'd'
                   : outcome.kind == StoreOutcome::Kind::conflict  ? 'c'
                                                                   : 'r';
    return letters;
}

void run_store_suite(const std::function<StoreUnderTest()> &open) {
    SECTION("it stores what a batch says") {
        stores_what_a_batch_says(open());
    }
    SECTION("it stores text that a database can take apart") {
        stores_text_that_a_database_can_take_apart(open());
    }
    SECTION("it stores counts that come without hashes") {
        stores_counts_without_hashes(open());
    }
    SECTION("it stores each batch once") {
        stores_each_batch_once(open());
    }
    SECTION("a batch is named by device, run and seq") {
        names_batches_by_device_and_run(open());
    }
    SECTION("a batch without them is named by its line") {
        names_others_by_their_line(open());
    }
    SECTION("it shows holes and closes them") {
        shows_holes_and_closes_them(open());
    }
    SECTION("gap lines label holes") {
        labels_holes(open());
        tells_of_a_bounded_number_of_holes(open());
        changes_few_holes_by_one_line(open());
    }
    SECTION("another content under a known name is a conflict") {
        knows_another_content_under_a_known_name(open());
    }
    SECTION("it tells who sent what") {
        tells_who_sent_what(open());
        tells_a_bounded_number_of_senders_apart(open());
    }
    SECTION("it tells which version a Pi runs") {
        tells_which_version_a_pi_runs(open());
    }
    SECTION("retention forgets names that nothing refers to") {
        forgets_names(open());
    }
    SECTION("retention finds detections whose times are far apart") {
        deletes_times_far_apart(open());
    }
    SECTION("the order of arrival does not matter") {
        is_independent_of_order(open);
    }
    SECTION("two connections write at once") {
        refuses_nothing_when_two_write(open());
    }
    SECTION("moving a Pi does not rewrite history") {
        keeps_the_place_of_each_batch(open());
    }
    SECTION("a wrong clock makes nothing seen in another age") {
        does_not_trust_a_wrong_clock(open());
    }
    SECTION("a clock that was ahead is forgotten") {
        forgets_a_clock_that_was_ahead(open());
    }
    SECTION("presence names the Pi that hears best") {
        tells_who_is_where(open());
    }
    SECTION("missing names silent Pis") {
        names_silent_devices(open());
    }
    SECTION("coverage joins the windows that follow each other") {
        joins_windows(open());
    }
    SECTION("retention deletes what is old and nothing else") {
        deletes_what_is_old(open());
    }
    SECTION("deleted advertisers are not remembered") {
        forgets_what_another_deleted(open());
    }
}

}  // namespace ble::test
