// What judges and names advertisers, replaced while windows run.
#include "catch.hpp"

#include "base/log.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/reducer.hpp"

using namespace std::chrono_literals;

namespace {

const ble::Time start = *ble::parse_rfc3339("2026-11-22T06:30:00Z");

struct Scan {
    ble::AddressHasher hasher{"an old key"};
    std::vector<ble::Batch> batches;
    ble::WindowReducer windows;
    std::string was = hasher.id();

    explicit Scan(std::chrono::milliseconds pause)
        : windows(options(pause), hasher, [this](ble::Batch &batch) { batches.push_back(batch); }) {
        ble::set_log_level(ble::LogLevel::error);
    }

    static ble::WindowOptions options(std::chrono::milliseconds pause) {
        ble::WindowOptions options;
        options.pause = pause;
        options.filter.deny("company:1");
        return options;
    }

    void hear(std::chrono::seconds after) {
        ble::Report report;
        report.timestamp = start + after;
        report.address.bytes = {1, 2, 3, 4, 5, 6};
        report.rssi_dbm = -60;
        windows.advance(report.timestamp);
        windows.add(report);
    }

    void renew(unsigned &times) {
        windows.at_next_window([&] {
            ++times;
            hasher = ble::AddressHasher("a new key");
        });
    }

    std::vector<bool> old() const {
        std::vector<bool> old;
        for (const auto &batch : batches) old.push_back(batch.hash_id == was);
        return old;
    }
};

}  // namespace

TEST_CASE("what is replaced counts from the next window on, and once") {
    Scan scan(0ms);
    unsigned times = 0;
    scan.hear(1s);
    scan.renew(times);
    scan.hear(9s);
    CHECK(times == 0);
    for (const auto after : {11s, 21s}) scan.hear(after);
    scan.windows.finish();
    CHECK(times == 1);
    CHECK(scan.old() == std::vector<bool>{true, false, false});
    CHECK(scan.batches[0].detections[0].count == 2u);
    CHECK(scan.batches[0].detections[0].device_hash != scan.batches[1].detections[0].device_hash);
    CHECK(scan.batches[1].detections[0].device_hash == scan.batches[2].detections[0].device_hash);
}

TEST_CASE("what is replaced in a pause counts in the window behind it") {
    Scan scan(10s);
    unsigned times = 0;
    scan.hear(1s);
    scan.hear(12s);
    scan.renew(times);
    scan.hear(21s);
    scan.windows.finish();
    CHECK(times == 1);
    CHECK(scan.old() == std::vector<bool>{true, false});
}

TEST_CASE("what is replaced before the first window, or while nobody listens, counts in the next") {
    Scan scan(0ms);
    unsigned times = 0;
    scan.hear(1s);
    scan.windows.finish();
    scan.renew(times);
    scan.hear(2s);
    CHECK(times == 1);
    scan.windows.finish();
    CHECK(scan.old() == std::vector<bool>{true, false});
}

TEST_CASE("a resolver is replaced with the window whose advertisers it named") {
    ble::set_log_level(ble::LogLevel::error);
    const std::string key = " ec0234a357c8ad05341010a60a397d9b";
    auto known = std::make_unique<ble::IdentityResolver>("Anna" + key, "keys");
    ble::AddressHasher hasher({});
    ble::WindowOptions options;
    options.profile.names = true;
    std::vector<std::string> details;
    ble::WindowReducer windows(options, hasher, [&](ble::Batch &batch) {
        for (const auto &detection : batch.detections) details.push_back(detection.details);
    });
    ble::ResolvingSink sink(*known, windows);
    for (const auto after : {1s, 2s, 11s}) {
        ble::Report report;
        report.timestamp = start + after;
        report.address = *ble::parse_address("70:81:94:0d:fb:aa");
        report.address.type = ble::AddressType::random_device;
        report.rssi_dbm = -60;
        sink.advance(report.timestamp);
        sink.add(report);
        if (after != 1s) continue;
        windows.at_next_window([&] {
            auto next = std::make_unique<ble::IdentityResolver>("Berta" + key, "keys");
            sink.renew(*next);
            known = std::move(next);
        });
    }
    sink.finish();
    CHECK(details == std::vector<std::string>{R"({"identity":"Anna"})", R"({"identity":"Berta"})"});
}
