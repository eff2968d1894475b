#include "catch.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "radio/window/reducer.hpp"
#include "radio/window/rssi_counts.hpp"

using namespace std::chrono_literals;

namespace {

const ble::Time start = *ble::parse_rfc3339("2026-11-22T06:30:00Z");

struct Scan {
    ble::AddressHasher hasher;
    std::vector<ble::Batch> batches;
    ble::WindowReducer windows;

    explicit Scan(const ble::WindowOptions &options = {}, std::chrono::seconds epoch = 0s)
        : hasher(epoch == 0s ? std::nullopt : std::optional<std::string>("a key"), epoch),
          windows(options, hasher, [this](ble::Batch &batch) { batches.push_back(batch); }) {
        ble::set_log_level(ble::LogLevel::error);
    }

    Scan &hear(std::chrono::microseconds after, unsigned advertiser, int rssi,
               ble::AddressType type = ble::AddressType::public_device) {
        ble::Report report;
        report.timestamp = start + after;
        report.address.type = type;
        for (std::size_t i = 0; i < 4; ++i)
            report.address.bytes[5 - i] = static_cast<std::uint8_t>(advertiser >> (8 * i));
        report.rssi_dbm = ble::known_dbm(rssi);
        windows.advance(report.timestamp);
        windows.add(report);
        return *this;
    }
};

ble::WindowOptions ten_seconds(std::chrono::milliseconds pause = 0ms) {
    ble::WindowOptions options;
    options.window = 10s;
    options.pause = pause;
    return options;
}

}  // namespace

TEST_CASE("the median stands in the middle, between two values rounded to the weaker") {
    const auto median = [](std::initializer_list<int> values) {
        ble::RssiCounts counts;
        for (const int value : values) counts.add(static_cast<std::int8_t>(value));
        return counts.median();
    };
    CHECK(median({-60}) == -60);
    CHECK(median({-90, -60, -50}) == -60);
    CHECK(median({-50, -60, -90}) == -60);
    CHECK(median({-60, -70}) == -65);
    CHECK(median({-60, -61}) == -61);
    CHECK(median({5, 4}) == 4);
    CHECK(median({0, -1}) == -1);
    CHECK(median({1, -1}) == 0);
    CHECK(median({-70, -70, -70, -40, -40}) == -70);
    CHECK(median({-127, 20}) == -54);
}

TEST_CASE("a window ends where the next begins: its end belongs to the next") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50).hear(9'999'999us, 1, -52).hear(10s, 1, -70).windows.finish();
    REQUIRE(scan.batches.size() == 2);
    const auto &first = scan.batches[0];
    CHECK(first.timestamp == start + 10s);
    CHECK(first.window_ms == 10'000u);
    CHECK(first.interval_ms == 10'000u);
    REQUIRE(first.detections.size() == 1);
    CHECK(first.detections[0].count == 2u);
    CHECK(first.detections[0].rssi_dbm == -51);
    CHECK(first.detections[0].timestamp < start + 10s);
    CHECK(scan.batches[1].detections.at(0).rssi_dbm == -70);
}

TEST_CASE("the last window says how long it really was") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50).hear(12'500'001us, 1, -50).windows.finish();
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[1].window_ms == 2501u);
    CHECK(scan.batches[1].timestamp == start + 12'501ms);
    scan.windows.finish();
    CHECK(scan.batches.size() == 2);
}

TEST_CASE("windows in which nothing was heard are empty batches") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50).hear(45s, 1, -50).windows.finish();
    REQUIRE(scan.batches.size() == 5);
    for (const std::size_t i : {1u, 2u, 3u}) CHECK(scan.batches[i].detections.empty());
    CHECK(scan.batches[3].timestamp == start + 40s);
}

TEST_CASE("a scan in which nothing came gives nothing; one packet of any kind gives one batch") {
    Scan none;
    none.windows.finish();
    CHECK(none.batches.empty());
    Scan one;
    one.windows.advance(start);
    one.windows.finish();
    REQUIRE(one.batches.size() == 1);
    CHECK(one.batches[0].window_ms == 1u);
}

TEST_CASE("between windows nothing is heard") {
    Scan scan(ten_seconds(30s));
    scan.hear(0s, 1, -50).hear(10s, 2, -50).hear(39'999ms, 3, -50).hear(40s, 4, -50).windows.finish();
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[0].interval_ms == 40'000u);
    CHECK(scan.batches[0].detections.size() == 1);
    CHECK(scan.batches[1].detections.size() == 1);
    CHECK(scan.windows.left_out().paused == 2);
    Scan ends_in_pause(ten_seconds(30s));
    ends_in_pause.hear(0s, 1, -50).hear(20s, 1, -50).windows.finish();
    CHECK(ends_in_pause.batches.size() == 1);
}

TEST_CASE("a clock that steps back a little stays in its window") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50).hear(11s, 1, -50).hear(9s, 1, -60).hear(12s, 2, -50).windows.finish();
    REQUIRE(scan.batches.size() == 2);
    REQUIRE(scan.batches[1].detections.size() == 2);
    CHECK(scan.batches[1].detections[0].count == 2u);
    CHECK(scan.batches[1].detections[0].timestamp == start + 11s);
    CHECK(scan.windows.restarts() == 0);
}

TEST_CASE("a clock that jumps begins the windows anew, and makes no millions of lines") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50)
        .hear(2s, 1, -50)
        .hear(std::chrono::hours(24 * 365), 1, -50)
        .hear(5s, 1, -50)
        .windows.finish();
    REQUIRE(scan.batches.size() == 3);
    CHECK(scan.batches[0].window_ms == 2000u);
    CHECK(scan.batches[1].timestamp == start + std::chrono::hours(24 * 365) + 1ms);
    CHECK(scan.batches[2].timestamp == start + 5001ms);
    CHECK(scan.windows.restarts() == 2);
    Scan minute(ten_seconds());
    minute.hear(0s, 1, -50).hear(60s, 1, -50).hear(121s, 1, -50).windows.finish();
    CHECK(minute.batches.size() == 8);
    CHECK(minute.windows.restarts() == 1);
}

TEST_CASE("a clock may be set back by ten seconds, or by a window that is longer") {
    for (const auto window : {2s, 30s}) {
        auto options = ten_seconds();
        options.window = window;
        const auto tolerated = std::max(window, 10s);
        Scan scan(options);
        scan.hear(60s, 1, -50).hear(100s, 1, -50);
        const auto before = scan.batches.size();
        scan.hear(100s - tolerated, 2, -50);
        CHECK(scan.windows.restarts() == 0);
        CHECK(scan.batches.size() == before);
        scan.hear(100s - tolerated - 1us, 3, -50);
        CHECK(scan.windows.restarts() == 1);
        // What was heard of the window in hand is told, and the next begins where the clock stands now.
        REQUIRE(scan.batches.size() == before + 1);
        CHECK(scan.batches.back().detections.size() == 2);
        CHECK(scan.windows.due() == start + 100s - tolerated - 1ms + window);
    }
}

TEST_CASE("a live clock that is set forwards makes no batches of the time in between") {
    auto options = ten_seconds();
    options.window = 2s;
    options.longest_silence = 10s;  // as in a live scan
    Scan scan(options);
    scan.hear(0s, 1, -50).hear(1s, 1, -50).hear(11s, 1, -50);
    CHECK(scan.windows.restarts() == 0);
    REQUIRE(scan.batches.size() == 5);
    scan.hear(21s + 1us, 2, -50).windows.finish();
    CHECK(scan.windows.restarts() == 1);
    REQUIRE(scan.batches.size() == 7);
    CHECK(scan.batches[5].timestamp == start + 11s);
    CHECK(scan.batches[5].window_ms == 1000u);
    CHECK(scan.batches[6].timestamp == start + 21'001ms);
    CHECK(scan.batches[6].detections.size() == 1);
}

TEST_CASE("after an interruption windows begin anew, and there are none of the time in between") {
    const auto pause = GENERATE(0s, 30s);  // the interruption begins with a window, or in a pause
    CAPTURE(pause.count());
    Scan scan(ten_seconds(pause));
    scan.hear(0s, 1, -50);
    scan.windows.advance(start + 10s);
    scan.windows.finish();
    scan.windows.finish();
    REQUIRE(scan.batches.size() == 1);
    CHECK_FALSE(scan.windows.due());
    scan.windows.advance(start + 300s);
    scan.windows.advance(start + 310s);
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[1].timestamp == start + 310s);
    CHECK(scan.windows.restarts() == 0);
}

TEST_CASE("zones begin at their thresholds") {
    Scan scan(ten_seconds());
    const int rssi[] = {-60, -61, -75, -76, 20, -127};
    for (unsigned i = 0; i < 6; ++i) scan.hear(0s, i + 1, rssi[i]);
    scan.windows.finish();
    using ble::Zone;
    const Zone expected[] = {Zone::near, Zone::medium, Zone::medium, Zone::far, Zone::near, Zone::far};
    for (std::size_t i = 0; i < 6; ++i) CHECK(scan.batches.at(0).detections.at(i).zone == expected[i]);
}

TEST_CASE("reports without RSSI count, but alone they make no detection") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, 127).hear(1s, 1, -60).hear(1s, 2, 127).hear(1s, 3, 21).windows.finish();
    REQUIRE(scan.batches.at(0).detections.size() == 1);
    CHECK(scan.batches[0].detections[0].count == 2u);
    CHECK(scan.batches[0].detections[0].rssi_dbm == -60);
    CHECK(scan.windows.left_out().without_rssi == 2);
}

TEST_CASE("weak and anonymous reports are left out and counted") {
    auto options = ten_seconds();
    options.min_rssi_dbm = -70;
    Scan scan(options);
    scan.hear(0s, 1, -70).hear(0s, 2, -71).hear(0s, 3, 127).hear(0s, 0, -50, ble::AddressType::anonymous);
    scan.windows.finish();
    CHECK(scan.batches.at(0).detections.size() == 1);
    CHECK(scan.windows.left_out().weak == 2);
    CHECK(scan.windows.left_out().anonymous == 1);
}

TEST_CASE("after --count batches no more come") {
    auto options = ten_seconds();
    options.count = 3;
    Scan scan(options);
    scan.hear(0s, 1, -50);
    CHECK_FALSE(scan.windows.satisfied());
    scan.hear(55s, 1, -50);
    CHECK(scan.windows.satisfied());
    scan.windows.finish();
    CHECK(scan.batches.size() == 3);
}

TEST_CASE("a crowd is told in several batches, each below the longest line") {
    Scan scan(ten_seconds());
    for (unsigned i = 0; i < 6000; ++i) scan.hear(1s, i, -50);
    scan.windows.finish();
    REQUIRE(scan.batches.size() > 1);
    std::size_t detections = 0;
    for (auto &batch : scan.batches) {
        batch.device_id = std::string(50, 'x');
        batch.name = batch.location = std::string(255, '\1');
        detections += batch.detections.size();
        CHECK(ble::print_batch(batch).size() <= ble::max_line);
    }
    CHECK(detections == 6000);
}

TEST_CASE("a flood of addresses is handed on before it fills the memory") {
    Scan scan(ten_seconds());
    for (unsigned i = 0; i < ble::WindowReducer::most_advertisers; ++i) scan.hear(1s, i, -50);
    CHECK(scan.batches.size() > 1);
    CHECK(scan.windows.due() == start + 11s);
}

TEST_CASE("a window is cut where an epoch of the hashes ends") {
    Scan scan(ten_seconds(), 60s);
    scan.hear(5s, 1, -60)
        .hear(52s, 1, -60)
        .hear(59'999ms, 2, -60)
        .hear(60s, 1, -60)
        .hear(61s, 2, -60)
        .hear(66s, 1, -60);
    scan.windows.finish();
    const auto &batches = scan.batches;
    REQUIRE(batches.size() == 8);
    // Windows begin at 5 s; that from 55 s to 65 s is two.
    CHECK(batches[4].window_ms == 10'000u);
    CHECK(batches[5].window_ms == 5'000u);
    CHECK(batches[5].timestamp == start + 60s);
    CHECK(batches[6].window_ms == 5'000u);
    CHECK(batches[6].timestamp == start + 65s);
    CHECK(batches[7].window_ms == 1'000u);
    CHECK(batches[5].hash_id == batches[0].hash_id);
    CHECK(batches[6].hash_id != batches[5].hash_id);
    CHECK(batches[6].hash_id == batches[7].hash_id);
    REQUIRE(batches[5].detections.size() == 1);
    REQUIRE(batches[6].detections.size() == 2);
    CHECK(batches[5].detections[0].device_hash != batches[6].detections[1].device_hash);
    CHECK(batches[0].detections[0].device_hash == batches[4].detections[0].device_hash);
}

TEST_CASE("a window that ends with its epoch is not cut, and pauses go on as planned") {
    Scan scan(ten_seconds(20s), 30s);
    scan.hear(0s, 1, -60);
    CHECK(scan.windows.due() == start + 10s);
    scan.hear(55s, 1, -60);
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[1].timestamp == start + 40s);
    Scan whole(ten_seconds(), 30s);
    whole.hear(0s, 1, -60).hear(30s, 1, -60);
    REQUIRE(whole.batches.size() == 3);
    CHECK(whole.batches[2].window_ms == 10'000u);
    Scan cut(ten_seconds(), 30s);
    cut.hear(25s, 1, -60);
    CHECK(cut.windows.due() == start + 30s);
}

TEST_CASE("counts tell how many were in each zone, and nothing of whom") {
    auto options = ten_seconds();
    options.counts = true;
    Scan scan(options);
    scan.hear(1s, 1, -50)
        .hear(2s, 1, -50)
        .hear(3s, 2, -60)
        .hear(4s, 3, -70)
        .hear(5s, 4, -90)
        .hear(6s, 5, 127);
    scan.hear(25s, 1, -50);
    REQUIRE(scan.batches.size() == 2);
    for (const auto &batch : scan.batches) {
        CHECK(batch.detections.empty());
        CHECK_FALSE(batch.hash_id);
        REQUIRE(batch.occupancy);
    }
    const auto &first = *scan.batches[0].occupancy, &second = *scan.batches[1].occupancy;
    CHECK((first.near == 2 && first.medium == 1 && first.far == 1));
    CHECK((second.near == 0 && second.medium == 0 && second.far == 0));
    CHECK(scan.windows.left_out().without_rssi == 1);
}

TEST_CASE("what the radio rested is taken off the length of a window, whether it has ended or not") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50);
    scan.windows.listens(false, start + 4s);
    scan.windows.advance(start + 7s);
    scan.windows.listens(true, start + 7s);
    scan.windows.listens(false, start + 9s);
    scan.windows.advance(start + 12s);
    scan.windows.listens(true, start + 12s);
    scan.hear(13s, 1, -50).windows.listens(false, start + 19s);
    scan.hear(19s + 1ms, 1, -50).windows.advance(start + 20s);
    scan.windows.advance(start + 29s);
    scan.windows.finish();
    REQUIRE(scan.batches.size() == 2);  // nobody listened in the third
    CHECK(scan.batches[0].window_ms == 6000u);
    CHECK(scan.batches[0].timestamp == start + 10s);
    CHECK(scan.batches[0].interval_ms == 10'000u);
    CHECK(scan.batches[1].window_ms == 7000u);
    CHECK(scan.windows.rested() == 4s + 3s + 9s);
}

TEST_CASE("a scan that is started anew in a moment has not rested, wherever the window ends") {
    Scan scan(ten_seconds());
    scan.hear(0s, 1, -50);
    const auto pause = [&](std::chrono::milliseconds from, std::chrono::milliseconds to) {
        scan.windows.advance(start + from);
        scan.windows.listens(false, start + from);
        scan.windows.advance(start + to);
        scan.windows.listens(true, start + to);
    };
    pause(4000ms, 4250ms);
    pause(9900ms, 10'150ms);
    pause(19'900ms, 20'151ms);  // a rest, as turns out in the third
    scan.windows.advance(start + 30s);
    REQUIRE(scan.batches.size() == 3);
    CHECK(scan.batches[0].window_ms == 10'000u);
    CHECK(scan.batches[1].window_ms == 10'000u);
    CHECK(scan.batches[2].window_ms == 9849u);
}

TEST_CASE("a window in which the radio rested gives no batch, unless somebody was heard all the same") {
    auto options = ten_seconds();
    options.window = 1s;
    Scan scan(options);
    scan.hear(0s, 1, -50);
    scan.windows.listens(false, start + 1s);
    scan.windows.advance(start + 5s);
    REQUIRE(scan.batches.size() == 1);
    scan.hear(5s + 1ms, 1, -50).windows.advance(start + 6s);
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[1].window_ms == 1u);
    CHECK(scan.batches[1].detections.size() == 1);
    scan.windows.advance(start + 8s);
    CHECK(scan.batches.size() == 2);
}

TEST_CASE("a rest in the pause between two windows is not theirs, nor one of before the clock was set back") {
    Scan scan(ten_seconds(30s));
    scan.hear(0s, 1, -50);
    scan.windows.advance(start + 15s);
    scan.windows.listens(false, start + 15s);
    scan.windows.advance(start + 25s);
    scan.windows.listens(true, start + 25s);
    scan.windows.advance(start + 50s);
    REQUIRE(scan.batches.size() == 2);
    CHECK(scan.batches[1].window_ms == 10'000u);
    scan.windows.listens(false, start + 51s);
    scan.windows.advance(start - 3600s);
    scan.windows.listens(true, start - 3595s);
    scan.windows.advance(start - 3590s);
    REQUIRE(scan.batches.size() == 3);
    CHECK(scan.batches[2].window_ms == 5000u);
}
