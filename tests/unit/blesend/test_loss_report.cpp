#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/counters.hpp"
#include "blesend/loss_report.hpp"
#include "catch.hpp"
#include "spool/ram_spool.hpp"

using namespace ble;

namespace {

// What `body` says on standard error.
template <class Body>
std::string said_by(Body body) {
    std::FILE *file = std::tmpfile();
    REQUIRE(file != nullptr);
    const int before = ::dup(STDERR_FILENO);
    ::dup2(::fileno(file), STDERR_FILENO);
    body();
    ::dup2(before, STDERR_FILENO);
    ::close(before);
    std::rewind(file);
    std::string said;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) said += static_cast<char>(c);
    std::fclose(file);
    return said;
}

bool has(const std::string &text, const std::string &part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

const std::string nameless = R"({"device_id":"old-pi","timestamp":"2026-11-22T06:30:10Z","detections":[]})";
const std::string named =
    R"({"device_id":"pi-lab-1","run_id":"aa","seq":0,"timestamp":"2026-11-22T06:30:10.000Z","detections":[]})";

struct Parts {
    void push(const std::string &line) {
        const std::string_view views[] = {line};
        spool.push(views, WhenFull::drop);
    }
    std::chrono::hours passed{0};
    RamSpool spool{1, std::chrono::hours(1), [this] { return UptimeClock::now() + passed; }};
    Counters counters;
    LossReport report{spool, counters};

    Parts() { counters.expired = 0; }
};

}  // namespace

TEST_CASE("a loss is counted and said for its cause, and gap lines tell of it") {
    Parts p;
    p.push(named);
    p.push(named);
    const std::string full = said_by([&] { p.report.tell(); });
    CHECK(has(full,
              "the spool is full and nothing is delivered: dropped the oldest, 1 since the start; "
              "gap lines will tell of them\n"));
    p.passed = std::chrono::hours(2);
    p.spool.expire();
    const std::string old = said_by([&] { p.report.tell(); });
    CHECK(has(old, "older than --max-age, 1 since the start; gap lines will tell of them\n"));
    CHECK(p.counters.dropped == 1);
    CHECK(p.counters.expired.get() == 1);
    CHECK(said_by([&] { p.report.tell(); }).empty());
}

TEST_CASE("batches without a name are told of as some of all that was lost, not of those of one cause") {
    Parts p;
    for (int i = 0; i < 4; ++i) p.push(nameless);
    p.push(named);
    const std::string full = said_by([&] { p.report.tell(); });
    CHECK(
        has(full,
            "4 since the start; gap lines will tell of all lost batches but 4 that have no run_id and seq"));
    p.passed = std::chrono::hours(2);
    p.spool.expire();
    const std::string old = said_by([&] { p.report.tell(); });
    CHECK(has(
        old,
        "older than --max-age, 1 since the start; gap lines will tell of all lost batches but 4 that have"));
}
