#include "catch.hpp"
#include "top/intake.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {

constexpr auto start = 1'000'000ms;
const Time wall = *parse_rfc3339("2026-11-22T06:30:10Z");

Moment at(std::chrono::milliseconds after) {
    return {start + after, wall + after};
}

DeviceHash hash_of(std::size_t number) {
    std::string digits = std::to_string(number);
    return DeviceHash(std::string(64 - digits.size(), '0') + digits);
}

Detection heard(std::size_t number, int rssi, std::uint32_t count = 10) {
    return {hash_of(number), rssi, rssi >= -60 ? Zone::near : Zone::far, wall, count, {}};
}

// A window of 10 s that ends at `wall`.
ParsedBatch batch(const std::string &pi, std::uint64_t seq, std::vector<Detection> detections) {
    ParsedBatch parsed;
    parsed.batch.device_id = pi;
    parsed.batch.timestamp = wall;
    parsed.batch.position = RunPosition{"run", seq};
    parsed.batch.window_ms = 10'000;
    parsed.batch.interval_ms = 40'000;
    parsed.batch.detections = std::move(detections);
    return parsed;
}

const Pi &pi_named(const AirModel &model, const char *name) {
    for (const auto &[number, pi] : model.pis())
        if (pi.device_id == name) return pi;
    throw std::runtime_error(std::string("no Pi ") + name);
}

}  // namespace

TEST_CASE("the Pi that hears an advertiser best is shown, of those that heard it lately") {
    AirModel model({});
    model.take(batch("pi-far", 0, {heard(1, -80)}), at(0s));
    model.take(batch("pi-near", 0, {heard(1, -50)}), at(1s));
    const Advertiser &who = *model.advertiser(hash_of(1));
    CHECK(model.pi(who.strongest().pi)->device_id == "pi-near");
    CHECK(who.strongest().rate == 1.0F);
    CHECK(who.reports == 20);
    model.take(batch("pi-far", 1, {heard(1, -85)}), at(50s));
    CHECK(model.pi(who.strongest().pi)->device_id == "pi-near");
    model.take(batch("pi-far", 2, {heard(1, -84)}), at(90s));
    CHECK(model.pi(who.strongest().pi)->device_id == "pi-far");
}

TEST_CASE("when it was heard is told by the time in the window, and by our clock") {
    AirModel model({});
    auto parsed = batch("pi-1", 0, {heard(1, -50), heard(2, -50), heard(3, -50)});
    parsed.batch.detections[0].timestamp = wall - 4s;
    parsed.batch.detections[1].timestamp = wall - 1h;  // not in the window: as early as that allows
    parsed.batch.detections[2].timestamp = wall + 1h;
    model.take(parsed, at(0s));
    CHECK(model.advertiser(hash_of(1))->at == start - 4s);
    CHECK(model.advertiser(hash_of(2))->at == start - 10s);
    CHECK(model.advertiser(hash_of(3))->at == start);
}

TEST_CASE("what was current before is as old as it says") {
    AirModel model({});
    model.old_ones(true);
    model.take(batch("pi-1", 0, {heard(1, -50)}), at(90s));
    CHECK(model.advertiser(hash_of(1))->at == start);
    CHECK(pi_named(model, "pi-1").at == start);
    CHECK(model.rate(at(95s).steady) == 0);
    model.old_ones(false);
    model.take(batch("pi-1", 1, {heard(1, -50)}), at(90s));
    CHECK(model.advertiser(hash_of(1))->at == at(90s).steady);
}

TEST_CASE("an older value does not replace a newer one") {
    AirModel model({});
    model.take(batch("pi-1", 1, {heard(1, -50)}), at(20s));
    model.old_ones(true);
    model.take(batch("pi-1", 0, {heard(1, -90)}), at(20s));
    CHECK(model.advertiser(hash_of(1))->strongest().rssi_dbm() == -50);
    CHECK(model.advertiser(hash_of(1))->strongest().history.size() == 1);
}

TEST_CASE("the history keeps the last values, oldest first") {
    RssiHistory history;
    for (int i = 0; i < 100; ++i) history.add({std::chrono::seconds(i), -i});
    REQUIRE(history.size() == RssiHistory::room);
    CHECK(history.last().rssi_dbm == -99);
    CHECK(history.at(0).rssi_dbm == -(100 - static_cast<int>(RssiHistory::room)));
}

TEST_CASE("memory is bounded: those heard longest ago go") {
    AirModel::Limits limits;
    limits.advertisers = 32;
    limits.pis = 4;
    limits.hearings = 3;
    AirModel model(limits);
    for (std::size_t i = 0; i < 500; ++i)
        model.take(batch("pi-" + std::to_string(i % 10), i, {heard(i, -50), heard(1000, -60)}),
                   at(std::chrono::seconds(i)));
    CHECK(model.advertisers().size() <= 32);
    CHECK(model.advertisers().size() >= 30);
    CHECK(model.advertiser(hash_of(499)) != nullptr);
    CHECK(model.advertiser(hash_of(400)) == nullptr);
    CHECK(model.pis().size() == 4);
    CHECK(model.advertiser(hash_of(1000))->heard.size() == 3);
    // Many that were heard at one time: some of them go.
    std::vector<Detection> many;
    for (std::size_t i = 2000; i < 2100; ++i) many.push_back(heard(i, -50));
    model.take(batch("pi-1", 999, many), at(600s));
    CHECK(model.advertisers().size() <= 32);
    CHECK(model.advertisers().size() > 0);
}

TEST_CASE("who is not heard any more goes after a while") {
    AirModel::Limits limits;
    limits.forget = 1min;
    AirModel model(limits);
    model.take(batch("pi-1", 0, {heard(1, -50)}), at(0s));
    model.take(batch("pi-1", 1, {heard(2, -50)}), at(30s));
    model.expire(at(70s).steady);
    CHECK(model.advertiser(hash_of(1)) == nullptr);
    CHECK(model.advertiser(hash_of(2)) != nullptr);
    CHECK(model.pis().size() == 1);
}

TEST_CASE("reports a second are those of the ten seconds that are over") {
    AirModel model({});
    CHECK(model.rate(at(0s).steady) == 0);
    for (int i = 0; i < 20; ++i)
        model.take(batch("pi-1", 0, {heard(1, -50, 30)}), at(std::chrono::seconds(i)));
    CHECK(model.rate(at(20s).steady) == Approx(30));
    CHECK(model.rate(at(25s).steady) == Approx(15));
    CHECK(model.rate(at(60s).steady) == 0);
}

TEST_CASE("a Pi is silent when two of its rounds have passed") {
    AirModel model({});
    model.take(batch("pi-1", 0, {}), at(0s));
    const Pi &pi = pi_named(model, "pi-1");
    CHECK_FALSE(pi.silent(at(85s).steady));
    CHECK(pi.silent(at(95s).steady));
}

TEST_CASE("numbers that do not come are missing, late ones are made good, repeated ones change nothing") {
    SeqWindow seqs;
    for (const std::uint64_t seq : {10, 11, 14}) CHECK(seqs.add("a", seq));
    CHECK(seqs.missing() == 2);
    CHECK(seqs.add("a", 12));
    CHECK(seqs.missing() == 1);
    CHECK_FALSE(seqs.add("a", 12));
    CHECK_FALSE(seqs.add("a", 14));
    CHECK(seqs.add("a", 9));  // from before we began
    CHECK(seqs.missing() == 1);
    CHECK(seqs.add("a", 114));
    CHECK(seqs.missing() == 100);
    CHECK_FALSE(seqs.add("a", 20));  // too long ago to be known
    CHECK(seqs.missing() == 100);
    CHECK(seqs.add("b", 5));
    CHECK(seqs.missing() == 100);
}

TEST_CASE("lines become what they say, and others are none of ours") {
    AirModel model({});
    Intake intake(model);
    const std::string hash(64, 'a');
    const std::string line =
        R"({"format":1,"device_id":"pi-1","name":"Lab","clock":"unsynced","timestamp":"2026-11-22T06:30:00Z",)"
        R"("detections":[{"device_hash":")" +
        hash +
        R"(","rssi":-50,"zone":"near","timestamp":"2026-11-22T06:30:00Z",)"
        R"("local_name":"Ruuvi 12","beacon":{"ibeacon":{"uuid":"12345678-aa","major":1,"minor":2}}}]})";
    CHECK(intake.take(line, at(0s)));
    CHECK(intake.take(R"( {"data" : )" + line + R"( , "type":"detection_event"} )", at(1s)));
    const Pi &pi = pi_named(model, "pi-1");
    CHECK(pi.batches == 2);
    CHECK(pi.clock_synced == false);
    CHECK(pi.late == 11s);
    CHECK(model.advertiser(DeviceHash(hash))->told.label() == "Ruuvi 12");
    CHECK(model.advertiser(DeviceHash(hash))->told.beacon == "ibeacon 12345678 1/2");
    CHECK(intake.take(
        R"({"format":1,"device_id":"pi-1","run_id":"r","gap":{"from_seq":2,"to_seq":4,"reason":"expired"}})",
        at(2s)));
    CHECK(pi.told_lost == 3);
    CHECK(intake.take(R"({"type":"two_at_once_event","data":{"device_id":"pi-1","run_ids":["a","b"]}})",
                      at(2s)));
    CHECK(pi.twins);
    CHECK(intake.take(R"({"type":"lagged","data":{"missed":123}})", at(2s)));
    CHECK(model.missed() == 123);
    CHECK(intake.take(R"({"type":"stats_update","data":{}})", at(2s)));
    for (const char *bad : {"", "nonsense", "{}", R"({"type":"detection_event","data":{"device_id":"x"}})",
                            R"({"type":"two_at_once_event"})"})
        CHECK_FALSE(intake.take(bad, at(3s)));
}

TEST_CASE("a server's newcomer gets old batches until it is live") {
    AirModel model({});
    Intake intake(model);
    intake.take(R"({"type":"connection_status","data":{"status":"connected"}})", at(60s));
    const std::string line = R"({"device_id":"pi-1","timestamp":"2026-11-22T06:30:10Z","detections":[]})";
    intake.take(line, at(60s));
    CHECK(pi_named(model, "pi-1").at == start);
    intake.take(R"({"type":"connection_status","data":{"status":"live"}})", at(60s));
    intake.take(line, at(60s));
    CHECK(pi_named(model, "pi-1").at == at(60s).steady);
}
