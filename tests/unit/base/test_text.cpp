#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/backoff.hpp"
#include "base/counters.hpp"
#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "base/timestamp.hpp"
#include "catch.hpp"

using namespace std::chrono;

TEST_CASE("timestamps are printed in UTC with a fixed number of digits") {
    const ble::Time time = sys_days(2026y / 11 / 22) + 6h + 30min + 10s + microseconds(45'678);
    CHECK(ble::format_ms(time) == "2026-11-22T06:30:10.045Z");
    CHECK(ble::format_us(time) == "2026-11-22T06:30:10.045678Z");
    CHECK(ble::format_ms(ble::Time{}) == "1970-01-01T00:00:00.000Z");
}

TEST_CASE("RFC 3339 is read with every form of fraction and offset") {
    const ble::Time time = sys_days(2026y / 11 / 22) + 6h + 30min + 10s;
    for (const auto *same : {"2026-11-22T06:30:10Z", "2026-11-22t06:30:10z", "2026-11-22 06:30:10+00:00",
                             "2026-11-22T07:30:10+01:00", "2026-11-22T01:00:10-05:30", "2026-11-22T06:30:10",
                             "2026-11-22T06:30:10.000000000Z", "2026-11-22T07:30:10+0100"}) {
        INFO(same);
        REQUIRE(ble::parse_rfc3339(same).has_value());
        CHECK(*ble::parse_rfc3339(same) == time);
    }
    CHECK(*ble::parse_rfc3339("2026-11-22T06:30:10.5Z") == time + 500ms);
    CHECK(*ble::parse_rfc3339("2026-11-22T06:30:10.1234567Z") == time + 123456us);
    for (const auto *bad : {"", "2026-11-22", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z",
                            "2026-11-22T06:60:10Z", "2026-11-22T06:30:10.Z", "2026-11-22T06:30:10X",
                            "2026-11-22T06:30:10Zx", "1969-12-31T23:59:59Z", "0000-00-00T00:00:00Z",
                            "2026-11-22T06:30:10+1:00", "2026-1-22T06:30:10Z", "9999-12-31T23:59:59-01:00"}) {
        INFO(bad);
        CHECK_FALSE(ble::parse_rfc3339(bad).has_value());
    }
    const auto round = *ble::parse_rfc3339("2024-02-29T23:59:59.999999Z");
    CHECK(ble::format_us(round) == "2024-02-29T23:59:59.999999Z");
}

TEST_CASE("digests agree with the published vectors") {
    // FIPS 180-2 appendix B.1; RFC 4231 test case 2.
    CHECK(ble::hex(ble::sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(ble::hex(ble::hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const auto id = ble::random_id();
    CHECK(id.size() == 16);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(id != ble::random_id());
}

TEST_CASE("back-off doubles up to its bound, jitters in its upper half, and starts anew") {
    ble::Backoff backoff(100ms, 1000ms, 7);
    for (const int whole : {100, 200, 400, 800, 1000, 1000}) {
        const auto delay = backoff.next();
        CHECK(delay >= milliseconds(whole / 2));
        CHECK(delay <= milliseconds(whole));
    }
    backoff.reset();
    CHECK(backoff.next() <= 100ms);
}

TEST_CASE("a throttle lets the first message through and then one a period") {
    ble::Throttle throttle(60s);
    const ble::Throttle::Clock::time_point start{1h};
    CHECK(throttle.due(start));
    CHECK_FALSE(throttle.due(start + 59s));
    CHECK(throttle.due(start + 60s));
    throttle.reset();
    CHECK(throttle.due(start + 61s));
}

TEST_CASE("outside text cannot write control characters into the log") {
    CHECK(ble::printable("a\n\x1b[31m\xff") == "a\\x0a\\x1b[31m\\xff");
    CHECK(ble::printable(std::string(500, 'x')).size() == 203);
}

TEST_CASE(
    "a secret comes from its file, the environment, a named file or the credentials folder, in this order") {
    char folder[] = "/tmp/blepipe-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const auto put = [&](const std::string &name, const char *text) {
        const std::string path = std::string(folder) + "/" + name;
        FILE *file = std::fopen(path.c_str(), "w");
        std::fputs(text, file);
        std::fclose(file);
        return path;
    };
    const auto by_flag = put("flag", "from flag\n"), by_file = put("file", "from file\n\n");
    const auto credential = put("test_secret", "from credential"), empty = put("empty", "\n");
    CHECK_FALSE(ble::find_secret("", "TEST_SECRET").has_value());
    ::setenv("CREDENTIALS_DIRECTORY", folder, 1);
    CHECK(ble::find_secret("", "TEST_SECRET") == "from credential");
    ::setenv("TEST_SECRET_FILE", by_file.c_str(), 1);
    CHECK(ble::find_secret("", "TEST_SECRET") == "from file");
    CHECK(ble::find_secrets("", "TEST_SECRET") == "from file\n\n");
    ::setenv("TEST_SECRET", "from environment", 1);
    CHECK(ble::find_secret("", "TEST_SECRET") == "from environment");
    CHECK(ble::find_secret(by_flag, "TEST_SECRET") == "from flag");
    CHECK_THROWS_AS(ble::find_secret(empty, "TEST_SECRET"), ble::Error);
    CHECK_THROWS_AS(ble::find_secret("/nonexistent", "TEST_SECRET"), ble::Error);
    for (const auto *name : {"CREDENTIALS_DIRECTORY", "TEST_SECRET_FILE", "TEST_SECRET"}) ::unsetenv(name);
    for (const auto &path : {by_flag, by_file, credential, empty}) ::unlink(path.c_str());
    ::rmdir(folder);
}

TEST_CASE("a secret is its file's first line, without its end and a byte order mark") {
    char path[] = "/tmp/blepipe-XXXXXX";
    const int fd = ::mkstemp(path);
    REQUIRE(fd >= 0);
    const auto found = [&](std::string_view text) {
        REQUIRE(::ftruncate(fd, 0) == 0);
        REQUIRE(::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
        return ble::find_secret(path, "TEST_SECRET");
    };
    for (const auto *text : {"s3cret", "s3cret\n", "s3cret\r\n", "s3cret\n\n", "s3cret\nmore\n",
                             "\xef\xbb\xbfs3cret\r\n", "s3cret\r"})
        CHECK(found(text) == "s3cret");
    CHECK(found(" s3 cret \n") == " s3 cret ");
    for (const auto *text : {"", "\n", "\r\n", "\ns3cret\n", "\xef\xbb\xbf", "\xff\xfes\n", "\xfe\xffs\n"})
        CHECK_THROWS_AS(found(text), ble::Error);
    ::setenv("TEST_SECRET", "s3cret\r\n", 1);
    CHECK(ble::find_secret("", "TEST_SECRET") == "s3cret");
    ::unsetenv("TEST_SECRET");
    ::close(fd);
    ::unlink(path);
}

TEST_CASE("state lives in the first folder systemd names, else here") {
    ::unsetenv("STATE_DIRECTORY");
    CHECK(ble::default_state_path("x") == "x");
    ::setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
    CHECK(ble::default_state_path("x") == "/var/lib/a/x");
    ::unsetenv("STATE_DIRECTORY");
}

TEST_CASE("counters print every name, as JSON and for Prometheus") {
    ble::Counters counters;
    counters.in = 3;
    counters.oldest_ms = 7;
    CHECK(counters.json("t") ==
          R"({"tool":"t","in":3,"out":0,"dropped":0,"rejected":0,"torn":0,"queued":0,"oldest_ms":7})");
    ble::Moments moments;
    const auto told = [&](const std::string &lines) {
        ble::Exposition text({{"tool", "t"}, {"instance", "a\\b\"\n"}, {"none", ""}});
        ble::tell_metrics(counters, moments, text);
        return text.text().find(lines) != std::string::npos;
    };
    const std::string labels = R"({tool="t",instance="a\\b\"\n"})";
    CHECK(
        told("# HELP blepipe_in_total Batches, messages or reports taken in.\n"
             "# TYPE blepipe_in_total counter\nblepipe_in_total" +
             labels + " 3\n"));
    CHECK(told("# TYPE blepipe_oldest_seconds gauge\nblepipe_oldest_seconds" + labels + " 0.007\n"));
    counters.oldest_ms = 61'040;
    CHECK(told("blepipe_oldest_seconds" + labels + " 61.040\n"));
    moments.last_out = 5;
    CHECK(told("blepipe_last_out_timestamp_seconds" + labels + " 5\n"));
    counters.hidden.emplace_back().by = "no --allow";
    CHECK(told(R"(blepipe_hidden_total{tool="t",instance="a\\b\"\n",by="no --allow"} 0)"));
}

TEST_CASE("what is not known is no metric, and what is 0 is one") {
    ble::Counters counters;
    const auto told = [&](const std::string &lines) {
        ble::Exposition text({});
        ble::tell_metrics(counters, {}, text);
        return text.text().find("\nblepipe_" + lines) != std::string::npos;
    };
    for (const char *absent : {"connected", "capacity", "queued", "oldest", "expired", "conflicts", "blank",
                               "clock", "radio", "newest", "last_out", "start", "hidden"})
        CHECK_FALSE(told(absent));
    CHECK(told("out_total{} 0\n"));
    counters.connected = 0;
    counters.queued = 0;
    counters.conflicts = 0;
    ++counters.blank;
    counters.expired += 2;
    counters.note_radio();
    counters.note_window(std::nullopt);
    CHECK_FALSE(told("newest"));
    for (const char *there : {"connected{} 0\n", "queued{} 0\n", "conflicts_total{} 0\n", "blank_total{} 1\n",
                              "expired_total{} 2\n", "radio_silence_seconds{} "})
        CHECK(told(there));
    CHECK(counters.json("t").find("conflicts") == std::string::npos);
}

TEST_CASE("the newest window is that of the batch that came last") {
    ble::Counters counters;
    counters.note_window(ble::parse_rfc3339("2099-01-01T00:00:00Z"));
    counters.note_window(ble::parse_rfc3339("2026-11-22T06:30:10.25Z"));
    counters.note_window(std::nullopt);
    CHECK(counters.newest_window() == std::chrono::milliseconds(1795329010250));
}
