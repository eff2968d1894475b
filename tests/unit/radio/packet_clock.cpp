#include "radio/capture/packet_clock.hpp"

#include "catch.hpp"

namespace {

using std::chrono::milliseconds;

const ble::Time start{std::chrono::seconds(1'700'000'000)};

// Writes down what it is told, as milliseconds after the start.
class Written : public ble::ReportSink {
  public:
    void advance(ble::Time now) override { note("advance", now); }
    void add(const ble::Report &report) override { note("report", report.timestamp); }
    void listens(bool on, ble::Time since) override { note(on ? "listens" : "rests", since); }
    std::optional<ble::Time> due() const override { return start + milliseconds(1000); }
    bool satisfied() const override { return false; }
    void finish() override { text += "finish "; }

    void note(const std::string &what, ble::Time time) {
        text += what + "@" + std::to_string(std::chrono::floor<milliseconds>(time - start).count()) + " ";
    }
    std::string text;
};

struct Clocked {
    Written sink;
    ble::PacketClock clock{sink, [this](ble::Time time, bool on) { sink.note(on ? "on" : "off", time); }};

    static ble::Report report(int ms) {
        ble::Report report;
        report.timestamp = start + milliseconds(ms);
        return report;
    }
};

}  // namespace

TEST_CASE("a packet that is read late still comes before the wall clock's time") {
    Clocked c;
    c.clock.advance(start);
    c.clock.advance(start + milliseconds(1100));
    c.clock.packet(start + milliseconds(950));
    c.clock.add(Clocked::report(950));
    CHECK(c.sink.text == "on@0 advance@0 advance@900 advance@950 report@950 ");
    CHECK(c.clock.due() == start + milliseconds(1200));
}

TEST_CASE("the wall clock does not put packets' time back, unless it was set") {
    Clocked c;
    c.clock.advance(start);
    c.clock.packet(start + milliseconds(500));
    c.clock.advance(start + milliseconds(600));
    c.clock.advance(start + milliseconds(650));
    for (int i = 0; i < 2; ++i) c.clock.advance(start - milliseconds(20'000));
    CHECK(c.sink.text == "on@0 advance@0 advance@500 advance@-20200 ");
}

TEST_CASE("a wall clock that is ten seconds behind the packets was set, one that is less is only read late") {
    Clocked c;
    c.clock.packet(start);
    c.clock.add(Clocked::report(0));
    for (int i = 0; i < 3; ++i) c.clock.advance(start - milliseconds(9'999));
    CHECK(c.sink.text == "on@0 advance@0 report@0 ");
    for (int i = 0; i < 2; ++i) c.clock.advance(start - milliseconds(10'000));
    CHECK(c.sink.text == "on@0 advance@0 report@0 advance@-10200 ");
}

TEST_CASE("packets that were in the queue when the clock was set come before its new time") {
    const auto set = GENERATE(milliseconds(1'800'000), milliseconds(-1'800'000));
    CAPTURE(set.count());
    Clocked c;
    c.clock.advance(start);
    CHECK(c.clock.due());
    c.clock.advance(start + set);
    CHECK_FALSE(c.clock.due());  // nothing calls for a look at once
    c.clock.packet(start + milliseconds(300));
    CHECK(c.clock.due());
    for (int i = 0; i < 3; ++i) c.clock.advance(start + set);
    CHECK(c.clock.due());
    c.clock.packet(start + set + milliseconds(5));
    const auto leap = std::to_string(set.count() - 200), after = std::to_string(set.count() + 5);
    CHECK(c.sink.text == "on@0 advance@0 advance@300 advance@" + leap + " advance@" + after + " ");
}

TEST_CASE("the wall clock of before a packet that was read since says nothing") {
    Clocked c;
    c.clock.advance(start);
    c.clock.packet(start + milliseconds(1'800'000));
    c.clock.advance(start + milliseconds(1'000));
    CHECK(c.sink.text == "on@0 advance@0 advance@1800000 ");
    CHECK(c.clock.due());
}

TEST_CASE("the clock begins with the first report at the latest, and ends where it stood") {
    Clocked c;
    c.clock.packet(start - milliseconds(5));  // nobody listened yet
    c.clock.add(Clocked::report(7));
    c.clock.finish();
    c.clock.finish();
    CHECK(c.sink.text == "on@7 advance@7 report@7 off@7 finish ");
}

TEST_CASE("a report that was held back belongs to what ends") {
    Clocked held;
    ble::PacketClock clock(held.sink, [&](ble::Time time, bool on) {
        if (!on) clock.add(Clocked::report(3));
        held.sink.note(on ? "on" : "off", time);
    });
    clock.advance(start);
    clock.packet(start + milliseconds(3));
    clock.finish();
    clock.advance(start + milliseconds(5000));
    CHECK(held.sink.text == "on@0 advance@0 advance@3 report@3 off@3 finish on@5000 advance@5000 ");
}
