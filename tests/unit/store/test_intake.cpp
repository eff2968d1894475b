#include "base/digest.hpp"
#include "base/limits.hpp"
#include "catch.hpp"
#include "store/intake.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using Texts = std::vector<std::string>;

namespace {

const std::string good = print_batch(make_batch(4, 1));
const std::string half_good =
    R"({"device_id":"pi-1","detections":[{"device_hash":"x"},)" + good.substr(good.find("{\"device_hash\""));
const std::string gap_line =
    R"({"device_id":"pi-1","run_id":"run","gap":{"from_seq":0,"to_seq":3,"reason":"buffer_full"}})";

Line whole(const std::string &text) {
    return {Line::Kind::whole, text};
}

Texts reasons(const std::vector<Rejected> &rejected) {
    Texts out;
    for (const auto &one : rejected) out.push_back(one.reason);
    return out;
}

}  // namespace

TEST_CASE("lines become items, rejections and torn tails") {
    Intake intake;
    const std::string bad = "{\"device_id\":3}", beginning = "{\"long";
    const std::string torn = good.substr(0, good.size() - 1);
    const Line lines[] = {whole(good),
                          whole(bad),
                          whole(gap_line),
                          {Line::Kind::oversize, beginning},
                          {Line::Kind::tail, torn}};
    intake.read(lines);
    CHECK(intake.lines() == 5);
    CHECK(intake.torn() == 1);
    REQUIRE(intake.items().size() == 2);
    CHECK(intake.items()[0].line == good);
    CHECK(intake.items()[0].batch->position->seq == 4);
    CHECK(intake.items()[1].gap->to_seq == 3);
    StoreResult result;
    result.outcomes.assign(2, {StoreOutcome::Kind::stored, {}});
    const auto rejected = intake.rejected(result);
    REQUIRE(rejected.size() == 2);
    CHECK(rejected[0].line == bad);
    CHECK(rejected[1].line == beginning);
    CHECK(rejected[1].reason.find("512000") != std::string::npos);

    const Line tail[] = {{Line::Kind::tail, good}};
    intake.read(tail);
    CHECK(intake.items().size() == 1);  // whole but for its LF
    CHECK(intake.torn() == 0);
}

TEST_CASE("the hole that a rejected line leaves is labelled, when the line says whose it is") {
    Intake intake;
    std::string bad = good;
    bad.replace(bad.find("synced"), 6, "wrong!");
    const std::string nobodys = "{}";
    const Line lines[] = {whole(good), whole(bad), whole(nobodys), {Line::Kind::tail, bad}};
    intake.read(lines);
    REQUIRE(intake.items().size() == 2);
    Gap hole = gap_for(make_batch(4), "rejected");
    hole.lost.clock_synced.reset();  // the clock's state is what was wrong
    CHECK(print_gap(*intake.items()[1].gap) == print_gap(hole));
    StoreResult result;
    using Kind = StoreOutcome::Kind;
    for (const Kind kind : {Kind::stored, Kind::duplicate, Kind::refused}) {
        result.outcomes = {{Kind::stored, {}}, {kind, "no"}};
        CHECK(intake.rejected(result).size() == 2);  // each line once
        CHECK(intake.counts(result).duplicates == 0);
    }
}

TEST_CASE("what is set aside says whose it is") {
    Intake intake;
    const std::string junk = "junk";
    const std::string bad = R"({"device_id":"pi-1","clock":1,"detections":[],"sender":"key pi-9"})";
    std::string named = good;
    named.insert(named.size() - 1, R"(,"sender":"key pi-1")");
    std::string long_name = good;
    long_name.replace(long_name.find("Lab"), 3, std::string(101, 'x'));
    const Line lines[] = {whole(bad),   whole(junk),      whole(good),
                          whole(named), whole(long_name), whole(gap_line)};
    CHECK(intake.read(lines) == 6);
    using Kind = StoreOutcome::Kind;
    StoreResult result;
    result.outcomes = {
        {Kind::refused, "no"}, {Kind::conflict, "other"}, {Kind::stored, {}}, {Kind::refused, "pieces"}};
    const auto rejected = intake.rejected(result);
    REQUIRE(rejected.size() == 6);
    const char *const from[] = {"key pi-9", "", "pi-1", "key pi-1", "pi-1", "pi-1"};
    for (std::size_t i = 0; i < 6; ++i) CHECK(rejected[i].from == from[i]);
    CHECK(rejected[3].reason == "other");
    CHECK(rejected[4].reason == "stored without name: longer than 100 characters");
    CHECK(intake.counts(result).conflicts == 1);
    CHECK(intake.counts(result).batches == 1);
    // Told as it is stored: not byte for byte.
    REQUIRE(intake.events(result).size() == 1);
    CHECK(intake.events(result)[0].find("xxx") == std::string::npos);
}

TEST_CASE("a batch of too many advertisers is set aside, with its hole") {
    Intake intake(3);
    const std::string three = print_batch(make_batch(1, 3)), four = print_batch(make_batch(2, 4));
    const Line lines[] = {whole(three), whole(four)};
    intake.read(lines);
    REQUIRE(intake.items().size() == 2);
    CHECK(print_gap(*intake.items()[1].gap) == print_gap(gap_for(make_batch(2), "rejected")));
    StoreResult result;
    result.outcomes.assign(2, {StoreOutcome::Kind::stored, {}});
    REQUIRE(intake.rejected(result).size() == 1);
    CHECK(intake.rejected(result)[0].line == four);
    CHECK(intake.rejected(result)[0].reason == "detections: more than 3");
}

TEST_CASE("one transaction takes a bounded amount of work") {
    Intake intake;
    const std::vector<Line> gaps(1000, whole(gap_line)), batches(1000, whole(good));
    CHECK(intake.read(gaps) == 200);
    CHECK(intake.items().size() == 200);
    CHECK(intake.read(batches) == 1000);
    CHECK(intake.lines() == 1000);
}

TEST_CASE("only newly stored batches and changed holes become events") {
    Intake intake;
    const Line lines[] = {whole(good), whole(good), whole(gap_line), whole(half_good)};
    intake.read(lines);
    REQUIRE(intake.items().size() == 4);
    using Kind = StoreOutcome::Kind;
    StoreResult result;
    result.outcomes = {{Kind::stored, {}}, {Kind::duplicate, {}}, {Kind::stored, {}}, {Kind::stored, {}}};
    result.holes = {{"pi-1", "run", 0, 3, "buffer_full"}};
    result.twins = {{"pi-1", {"run", "other"}, {}}};
    const auto events = intake.events(result);
    REQUIRE(events.size() == 4);
    CHECK(events[3].find(R"({"type":"two_at_once_event","data":{"device_id":"pi-1")") == 0);
    CHECK(events[0] == R"({"type":"detection_event","data":)" + good + "}");  // the very bytes
    CHECK(events[1].find(hash_of(0)) != std::string::npos);                   // what was stored of half_good
    CHECK(events[1].find("\"x\"") == std::string::npos);
    CHECK(events[2].find(R"({"type":"gap_event","data":)") == 0);
    CHECK(events[2].find(R"("to_seq":3)") != std::string::npos);

    const auto counts = intake.counts(result);
    CHECK(counts.batches == 2);
    CHECK(counts.detections == 2);
    CHECK(counts.duplicates == 1);
    CHECK(reasons(intake.rejected(result)) == Texts{"stored without detections[0]: rssi: absent"});

    // Refused by the store: rejected with its reason, and no event.
    result.outcomes[0] = {Kind::refused, "not that one"};
    result.outcomes[3] = {Kind::duplicate, {}};
    CHECK(intake.events(result).size() == 2);
    CHECK(reasons(intake.rejected(result)) == Texts{"not that one"});
}
