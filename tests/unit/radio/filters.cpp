#include "catch.hpp"

#include <unistd.h>
#include <cstdio>

#include "base/error.hpp"
#include "base/log.hpp"
#include "captures.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/filter.hpp"
#include "radio/window/reducer.hpp"

namespace {

// What one report says: address, AD structures in hex.
struct Said {
    captures::Bytes data;
    ble::Report report;
    ble::Advertisement advertisement;

    explicit Said(const std::string &address, const std::string &hex = "") : data(captures::from_hex(hex)) {
        report.address = *ble::parse_address(address);
        report.rssi_dbm = -60;
        report.data = data;
        ble::read_advertisement(report.data, advertisement);
    }
};

bool matches(const std::string &rule, const Said &said) {
    return ble::FilterRule(rule).matches(said.report, said.advertisement);
}

std::optional<std::size_t> hidden(const ble::Filter &filter, std::initializer_list<const Said *> all) {
    ble::Filter::Verdict verdict;
    for (const auto *said : all) filter.judge(said->report, said->advertisement, verdict);
    return filter.hidden_by(verdict);
}

const std::string ruuvi = "0b0952757576692041314232";  // complete name "Ruuvi A1B2"

struct TemporaryFile {
    char path[32] = "/tmp/blepipe-filter-XXXXXX";
    explicit TemporaryFile(const std::string &content) {
        const ble::UniqueFd fd(::mkstemp(path));
        REQUIRE(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    }
    ~TemporaryFile() { ::unlink(path); }
    std::string argument() const { return std::string("@") + path; }
};

}  // namespace

TEST_CASE("a filter names an advertiser by its address or the beginning of it") {
    const Said said("c4:f7:c1:4c:c1:c0");
    for (const auto *rule :
         {"address:c4:f7:*", "address:C4-F7-*", "address:c4f7*", "address:c4f*", "address:c4:f*", "address:*",
          "address:c4:f7:c1:4c:c1:c*", "address:C4:F7:C1:4C:C1:C0"})
        CHECK((ble::FilterRule(rule).kind == ble::FilterRule::Kind::address || matches(rule, said)));
    CHECK(matches("address:c4:f7:c1:4c:c1:c0", said));
    CHECK_FALSE(matches("address:c4:f7:c1:4c:c1:c1", said));
    CHECK_FALSE(matches("address:f7:*", said));
    CHECK_FALSE(matches("address:c4:f8:*", said));
}

TEST_CASE("a filter names an advertiser by what it says") {
    const Said named("00:00:00:00:00:01", ruuvi);
    for (const auto *rule :
         {"name:Ruuvi*", "name:*A1B2", "name:R*v*B2", "name:Ruuvi A1B2", "name:*", "name:**i*"})
        CHECK(matches(rule, named));
    for (const auto *rule : {"name:ruuvi*", "name:Ruuvi", "name:*A1B", "name:R*x*B2", "name:Ruuvi A1B2?"})
        CHECK_FALSE(matches(rule, named));
    CHECK_FALSE(matches("name:*", Said("00:00:00:00:00:01")));
    const Said eddystone("00:00:00:00:00:02", "0303aafe");
    for (const auto *rule :
         {"uuid:feaa", "uuid:0xFEAA", "uuid:0000feaa", "uuid:0000FEAA-0000-1000-8000-00805f9b34fb",
          "uuid:0000feaa00001000800000805f9b34fb"})
        CHECK(matches(rule, eddystone));
    CHECK(matches("uuid:feaa", Said("00:00:00:00:00:02", "0416aafe10")));  // service data alone
    CHECK_FALSE(matches("uuid:feab", eddystone));
    const Said company("00:00:00:00:00:03", "04ff990401");
    CHECK(matches("company:0x0499", company));
    CHECK(matches("company:1177", company));
    CHECK_FALSE(matches("company:0x9904", company));
}

TEST_CASE("a filter names a known advertiser by its name, its address, or the one it uses now") {
    ble::Identity anna{"Anna's phone", ble::parse_address("00:11:22:33:44:55"), "", 1};
    Said said("70:81:94:0d:fb:aa");
    CHECK_FALSE(matches("identity:*", said));
    said.report.identity = &anna;
    CHECK(matches("identity:Anna*", said));
    CHECK_FALSE(matches("identity:Ben*", said));
    CHECK(matches("address:00:11:*", said));
    CHECK(matches("address:00:11:22:33:44:55", said));
    CHECK(matches("address:70:81:*", said));
    ble::Filter filter;
    filter.deny("address:00:11:22:33:44:55");
    CHECK(hidden(filter, {&said}) == 0);
}

TEST_CASE("a mistyped filter is refused with what would be right") {
    for (const auto *rule : {"",
                             "*",
                             "Ruuvi*",
                             "address:",
                             "address:c4:f7",
                             "address:c4:f7:c1:4c:c1:c0:*",
                             "address:c4::*",
                             "address::*",
                             "address:c:4*",
                             "address:zz*",
                             "address:*c0",
                             "name:",
                             "identity:",
                             "name:\xff",
                             "uuid:",
                             "uuid:fea",
                             "uuid:0x",
                             "uuid:feaz",
                             "uuid:0000feaa-0000-1000-8000-00805f9b34f",
                             "uuid:0000feaa00001000-8000-0080-5f9b34fb",
                             "company:",
                             "company:0x",
                             "company:65536",
                             "company:-1",
                             "company:0x12345",
                             "company:Ruuvi",
                             "Name:x",
                             " name:x",
                             "rssi:-60"})
        CHECK_THROWS_AS(ble::FilterRule(rule), std::string);
    CHECK_THROWS_AS(ble::FilterRule("name:" + std::string(256, 'x')), std::string);
}

TEST_CASE("deny wins, whatever the order, and what no --allow names is hidden") {
    const Said one("c4:f7:c1:4c:c1:c0"), other("c4:f7:00:00:00:01"), stranger("00:00:00:00:00:01");
    ble::Filter filter;
    CHECK_FALSE(filter.any());
    CHECK_FALSE(hidden(filter, {&one}));
    filter.allow("address:c4:f7:*");
    filter.deny("address:11:*");
    filter.deny("address:c4:f7:c1:4c:c1:c0");
    filter.allow("address:c4:f7:c1:4c:c1:c0");
    CHECK(filter.reasons() ==
          std::vector<std::string>{"--deny address:11:*", "--deny address:c4:f7:c1:4c:c1:c0", "no --allow"});
    CHECK(hidden(filter, {&one}) == 1);
    CHECK_FALSE(hidden(filter, {&other}));
    CHECK(hidden(filter, {&stranger}) == 2);
    CHECK_FALSE(filter.data());
}

TEST_CASE("an advertiser is judged by all its reports together, in any order") {
    const Said bare("00:00:00:00:00:01"), named("00:00:00:00:00:01", ruuvi);
    ble::Filter allow, deny;
    allow.allow("name:Ruuvi*");
    deny.deny("name:Ruuvi*");
    CHECK(allow.data());
    CHECK(hidden(allow, {&bare}) == 0);
    CHECK_FALSE(hidden(allow, {&bare, &named}));
    CHECK_FALSE(hidden(allow, {&named, &bare}));
    CHECK_FALSE(hidden(deny, {&bare}));
    CHECK(hidden(deny, {&bare, &named}) == 0);
    CHECK(hidden(deny, {&named, &bare}) == 0);
}

TEST_CASE("filters come from a file, a line each, and a wrong line is named") {
    std::string many = "# ours\r\n\n  # no filter begins with a blank\n";
    const TemporaryFile wrong(many);
    ble::Filter filter;
    try {
        filter.deny(wrong.argument());
        FAIL("taken");
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::config);
        CHECK(std::string(error.what()).find(std::string(wrong.path) + ", line 3: ") == 0);
    }
    many = "# ours\r\nname:Ruuvi A1B2 \r\n";
    for (unsigned i = 0; i < 20'000; ++i) {
        char line[40];
        std::snprintf(line, sizeof line, "address:00000000%04x\n", i);
        many += line;
    }
    const TemporaryFile list(many);
    ble::Filter listed;
    listed.deny(list.argument());
    CHECK(listed.reasons() == std::vector<std::string>{"--deny " + list.argument()});
    const Said in("00:00:00:00:4e:1f"), out("00:00:00:00:4e:20"), named("11:00:00:00:00:01", ruuvi);
    CHECK(hidden(listed, {&in}) == 0);
    CHECK_FALSE(hidden(listed, {&out}));
    CHECK(hidden(listed, {&named}) == 0);
    const TemporaryFile empty("");
    ble::Filter nobody;
    nobody.allow(empty.argument());
    CHECK(hidden(nobody, {&in}) == 0);
}

TEST_CASE("hostile filter files are refused, and cost little") {
    std::string patterns;
    for (std::size_t i = 0; i <= ble::Filter::most_patterns; ++i) patterns += "name:x\n";
    for (const auto &content :
         {patterns, std::string("@/etc/passwd\n"), std::string("name:\0x", 7).append("\xff\n"),
          std::string(1u << 20, '*'), std::string((1u << 20) + 1, '\n'), "name:" + std::string(100'000, '*'),
          std::string("\x7f"
                      "ELF\0\0\xff",
                      8)}) {
        const TemporaryFile file(content);
        ble::Filter filter;
        CHECK_THROWS_AS(filter.allow(file.argument()), ble::Error);
    }
    ble::Filter filter;
    CHECK_THROWS_AS(filter.allow("@/nowhere/at/all"), ble::Error);
    CHECK_THROWS_AS(filter.allow("@/tmp"), ble::Error);
    std::uint32_t seed = 1;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = i % 2 ? "address:" : "uuid:";
        for (int n = 0; n < i % 40; ++n) {
            seed = seed * 1664525 + 1013904223;
            text += "0aF:-*x\xff"[seed >> 29];
        }
        try {
            ble::FilterRule rule(text);
            matches(text, Said("c4:f7:c1:4c:c1:c0", ruuvi));
        } catch (const std::string &wanted) {
            REQUIRE_FALSE(wanted.empty());
        }
    }
}

TEST_CASE("a window hides advertisers whose name comes late, and counts their reports") {
    ble::set_log_level(ble::LogLevel::error);
    ble::WindowOptions options;
    options.filter.deny("name:Ruuvi*");
    options.filter.allow("address:00:*");
    ble::AddressHasher hasher({});
    std::vector<ble::Batch> batches;
    ble::WindowReducer windows(options, hasher, [&](ble::Batch &batch) { batches.push_back(batch); });
    const Said bare("00:00:00:00:00:01"), named("00:00:00:00:00:01", ruuvi), shown("00:00:00:00:00:02"),
        stranger("11:00:00:00:00:01");
    ble::Time now = *ble::parse_rfc3339("2026-11-22T06:30:00Z");
    for (const auto *said : {&bare, &shown, &named, &bare, &stranger}) {
        auto report = said->report;
        report.timestamp = now += std::chrono::seconds(1);
        windows.advance(now);
        windows.add(report);
    }
    windows.finish();
    REQUIRE(batches.size() == 1);
    REQUIRE(batches[0].detections.size() == 1);
    CHECK(batches[0].detections[0].device_hash.text() == hasher.hash(shown.report.address));
    CHECK(windows.left_out().hidden == std::vector<std::uint64_t>{3, 1});
}

TEST_CASE("private addresses of one key are one advertiser of a window") {
    ble::set_log_level(ble::LogLevel::error);
    ble::IdentityResolver resolver("Anna's phone ec0234a357c8ad05341010a60a397d9b", "keys.txt");
    ble::AddressHasher hasher({});
    ble::WindowOptions options;
    options.profile.names = options.profile.addresses = true;
    std::vector<ble::Batch> batches;
    ble::WindowReducer windows(options, hasher, [&](ble::Batch &batch) { batches.push_back(batch); });
    ble::ResolvingSink sink(resolver, windows);
    ble::Time now = *ble::parse_rfc3339("2026-11-22T06:30:00Z");
    for (const auto *address : {"70:81:94:0d:fb:aa", "40:01:02:b2:12:da", "40:01:02:b2:12:db"}) {
        Said said(address);
        said.report.address.type = ble::AddressType::random_device;
        said.report.timestamp = now += std::chrono::seconds(1);
        sink.advance(now);
        sink.add(said.report);
    }
    sink.finish();
    REQUIRE(batches.size() == 1);
    REQUIRE(batches[0].detections.size() == 2);
    CHECK(batches[0].detections[0].count == 2u);
    CHECK(batches[0].detections[0].details == R"({"address":"40:01:02:b2:12:da","identity":"Anna's phone"})");
    CHECK(batches[0].detections[1].details == R"({"address":"40:01:02:b2:12:db"})");
}
