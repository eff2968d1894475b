#include "catch.hpp"

#include "base/digest.hpp"
#include "base/hex_text.hpp"
#include "base/host.hpp"
#include "batch/json_text.hpp"
#include "radio/capture/replay.hpp"
#include "radio/window/address_hasher.hpp"
#include "radio/window/printer.hpp"

TEST_CASE("an address is read in the forms people write it") {
    for (const auto *text : {"c4:f7:c1:4c:c1:c0", "C4-F7-C1-4C-C1-C0", "c4f7C14cc1c0"}) {
        const auto address = ble::parse_address(text);
        REQUIRE(address);
        CHECK(ble::format_address(*address) == "c4:f7:c1:4c:c1:c0");
        CHECK(address->number() == 0xc4f7c14cc1c0);
    }
    for (const auto *text : {"", "c4:f7:c1:4c:c1", "c4:f7:c1:4c:c1:c0:", "c4:f7:c1:4c:c1:cg",
                             "c4:f7-c1:4c:c1:c0", "c4.f7.c1.4c.c1.c0", "c4:f7:c1:4c:c1c00"})
        CHECK_FALSE(ble::parse_address(text));
}

TEST_CASE("a device_hash is over the upper-case address without separators") {
    const auto address = *ble::parse_address("c4:f7:c1:4c:c1:c0");
    const ble::AddressHasher plain({});
    CHECK(plain.hash(address) == ble::hex(ble::sha256("C4F7C14CC1C0")));
    CHECK(plain.id() == "sha256");
    const ble::AddressHasher keyed(std::string("a key"));
    CHECK(keyed.hash(address) == ble::hex(ble::hmac_sha256("a key", "C4F7C14CC1C0")));
    CHECK(keyed.id() == ble::hex(ble::sha256("a key")).substr(0, 8));
    CHECK(plain.hash(*ble::parse_address("00:00:00:00:00:0a")) == ble::hex(ble::sha256("00000000000A")));
}

TEST_CASE("hex text has a separator between the bytes only") {
    std::string out = "x";
    const std::uint8_t bytes[] = {0x00, 0x9f, 0xab};
    ble::append_hex(out, bytes);
    CHECK(out == "x009fab");
    out.clear();
    ble::append_hex(out, bytes, ':');
    CHECK(out == "00:9f:ab");
    out.clear();
    ble::append_hex(out, {}, ':');
    CHECK(out.empty());
}

TEST_CASE("a report's line has the time in six digits, and null for an RSSI that is not available") {
    ble::ReportLine line;
    ble::Report report;
    report.timestamp = *ble::parse_rfc3339("2022-03-08T13:17:56.130446Z");
    report.address = *ble::parse_address("c0:11:22:33:44:01");
    report.address.type = ble::AddressType::random_identity;
    report.event_type = 19;
    report.rssi_dbm = -60;
    const std::uint8_t data[] = {0x02, 0x01, 0x06};
    report.data = data;
    CHECK(line.print(report) ==
          R"({"timestamp":"2022-03-08T13:17:56.130446Z","address":"c0:11:22:33:44:01",)"
          R"("address_type":"random_identity","event_type":19,"rssi":-60,"data":"020106"})");
    report.timestamp = *ble::parse_rfc3339("2022-03-08T13:17:57.000001Z");
    report.rssi_dbm = ble::Report::not_available;
    report.data = {};
    CHECK(line.print(report) == R"({"timestamp":"2022-03-08T13:17:57.000001Z","address":"c0:11:22:33:44:01",)"
                                R"("address_type":"random_identity","event_type":19,"rssi":null,"data":""})");
    report.timestamp = *ble::parse_rfc3339("1970-01-01T00:00:00Z");
    CHECK(line.print(report).find("1970-01-01T00:00:00.000000Z") != std::string::npos);
}

TEST_CASE("a text is measured in characters, and must be UTF-8") {
    CHECK(ble::is_text("pi1", 3, 50));
    CHECK_FALSE(ble::is_text("pi", 3, 50));
    CHECK(ble::is_text("\u00fc\u00fc\u00fc", 3, 3));
    CHECK_FALSE(ble::is_text("\u00fc\u00fc", 3, 50));
    CHECK_FALSE(ble::is_text("abc\xff", 3, 50));
    CHECK(ble::is_text(ble::default_device_id().id, 3, 50));
}

TEST_CASE("a speed is max or a number") {
    CHECK(ble::parse_speed("max") == 0.0);
    CHECK(ble::parse_speed("1") == 1.0);
    CHECK(ble::parse_speed("0.5") == 0.5);
    for (const auto *text : {"", "0", "-1", "fast", "1x", "nan", "inf", "2000000"})
        CHECK_FALSE(ble::parse_speed(text));
}

TEST_CASE("each epoch has a key of its own, and a hash_id that names it") {
    const auto address = *ble::parse_address("c4:f7:c1:4c:c1:c0");
    const auto noon = *ble::parse_rfc3339("2026-11-26T12:00:00Z");
    ble::AddressHasher hasher(std::string("a key"), std::chrono::hours(24));
    const auto hash_at = [&](ble::Time time) {
        hasher.enter(time);
        return hasher.hash(address);
    };
    const auto derived = ble::hmac_sha256("a key", "blepipe epoch 86400 20783");
    CHECK(hash_at(noon) ==
          ble::hex(ble::hmac_sha256(std::string(derived.begin(), derived.end()), "C4F7C14CC1C0")));
    const auto fingerprint = ble::hex(ble::sha256("a key")).substr(0, 8);
    CHECK(hasher.id() == fingerprint + "@2026-11-26T00:00:00Z/86400s");
    CHECK(hasher.epoch_end(noon) == *ble::parse_rfc3339("2026-11-27T00:00:00Z"));
    const auto last = hasher.epoch_end(noon) - std::chrono::microseconds(1);
    CHECK(hash_at(last) == hash_at(noon));
    CHECK(hash_at(last) != hash_at(last + std::chrono::microseconds(1)));
    hasher.enter(last + std::chrono::microseconds(1));
    CHECK(hasher.id() == fingerprint + "@2026-11-27T00:00:00Z/86400s");
    const auto before_1970 = ble::Time{} - std::chrono::hours(12);
    CHECK(hasher.epoch_end(before_1970) == ble::Time{});
    CHECK(hash_at(before_1970) != hash_at(ble::Time{}));
    ble::AddressHasher hourly(std::string("a key"), std::chrono::hours(1));
    hourly.enter(*ble::parse_rfc3339("2026-11-26T00:00:00Z"));
    CHECK(hourly.hash(address) != hash_at(noon));
    const ble::AddressHasher plain({}, std::chrono::hours(24));
    CHECK(plain.id() == "sha256");
    CHECK(plain.epoch_end(noon) == ble::Time::max());
}
