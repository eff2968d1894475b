// Retention and clocks: what is younger than it may be, by the time that really passed, is never deleted.
#include <algorithm>
#include <random>
#include <set>

#include "catch.hpp"
#include "room.hpp"
#include "store_suite.hpp"

using namespace ble;
using namespace ble::test;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::years;

namespace {

// A store on a machine whose clock may be wrong, and which is switched off at times. The test alone knows the true time.
class Machine {
  public:
    explicit Machine(const std::string &kind) : room_(make_room(kind)) { restart(); }
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;

    Time real = at("2026-01-01T00:00:00Z");
    std::chrono::microseconds error{0};  // of the wall clock
    seconds uptime_error{0};
    bool synced = true;
    bool tells_starts = true;  // boot_id can be read
    seconds read_before{0};    // so long ago the clocks were read: of a process that had to wait

    void pass(std::chrono::microseconds time) { real += time; }
    void set_clock(const char *to) { error = at(to) - real; }
    void restart() { store_ = make_store(room_->name()); }
    void reboot(seconds off) {
        store_.reset();
        room_->wait_alone();
        real += off;
        booted_ = real;
        uptime_error = {};
        ++boots_;
        restart();
    }
    // A virtual machine is: its uptime stands still, and its wall clock as well or it is set at once.
    void pause(seconds time, bool wall_stands) {
        real += time;
        uptime_error -= time;
        if (wall_stands) error -= time;
    }
    seconds uptime() const { return std::chrono::ceil<seconds>(real - booted_) + uptime_error; }
    Clocks clocks() const {
        const auto ago = std::clamp(uptime(), seconds(0), read_before);
        return {real + error - ago, uptime() - ago, tells_starts ? std::to_string(boots_) : unknown_boot,
                synced};
    }

    // Batches that are new, in one transaction. Half of them are named by their line.
    void store(int batches = 1) {
        Lines lines;
        const Time received = real - std::clamp(uptime(), seconds(0), read_before);
        for (; batches > 0; --batches) {
            const auto seq = stored_at_.size();
            Batch batch = make_batch(seq, 1);
            batch.timestamp = batch.detections[0].timestamp = received;
            if (seq % 2 == 1) batch.position.reset();
            lines.batch(batch, std::to_string(seq));
            there_.insert(seq);
            stored_at_.push_back(received);
        }
        lines.store(*store_, clocks());
    }
    Expired retain(seconds keep) {
        const auto result = store_->retain(keep, clocks());
        deleted_ += result.batches;
        return result;
    }
    // As many steps as there are; how many batches went.
    std::uint64_t retain_all(seconds keep) {
        const auto before = deleted_;
        while (retain(keep).more) {
        }
        return deleted_ - before;
    }
    // Retention once an hour; what its last step said.
    Expired run(std::chrono::microseconds time, seconds keep) {
        Expired last;
        for (const Time end = real + time; real < end;) {
            pass(std::min<std::chrono::microseconds>(end - real, hours(1)));
            last = retain(keep);
        }
        return last;
    }
    void trust_times() { store_->trust_times(clocks()); }

    // Of each batch that went since it was last asked, how long it was there.
    std::vector<std::chrono::microseconds> gone() {
        std::multiset<std::int64_t> left;  // known by the times of their detections
        for (const auto &row : room_->rows("SELECT timestamp FROM batches")) left.insert(std::stoll(row));
        std::vector<std::chrono::microseconds> ages;
        std::erase_if(there_, [&](auto seq) {
            const Time stored = stored_at_[seq];
            const auto found =
                left.find(std::chrono::floor<std::chrono::milliseconds>(stored.time_since_epoch()).count());
            if (found == left.end()) return ages.push_back(real - stored), true;
            return left.erase(found), false;
        });
        return ages;
    }
    std::size_t left() const { return stored_at_.size() - static_cast<std::size_t>(deleted_); }
    std::int64_t hashes() { return std::stoll(room_->text("SELECT count(*) FROM batch_hashes")); }

  private:
    std::unique_ptr<Room> room_;
    std::unique_ptr<Store> store_;
    Time booted_ = real;
    int boots_ = 0;
    std::vector<Time> stored_at_;
    std::set<std::size_t> there_;
    std::uint64_t deleted_ = 0;
};

constexpr seconds keep = days(30);

void store_some(Machine &machine, int batches) {
    for (int i = 0; i < batches; ++i, machine.pass(seconds(10))) machine.store();
}

}  // namespace

TEST_CASE("no sequence of clock steps and restarts deletes what is younger than the retention") {
    // The kernel's word "synchronised" is right, or it is a lie at any time and the machine is never off.
    const bool honest = GENERATE(true, false);
    const auto seed = GENERATE(range(0u, 24u));
    const auto kind = GENERATE(as<std::string>{}, in_sqlite, in_postgres);
    if (kind == in_postgres && seed % 12 != 0) return;  // it takes a hundred times as long
    INFO((honest ? "honest" : "lying") << " seed " << seed << ' ' << kind);
    std::mt19937 random(seed);
    const auto one_of = [&random](auto... choices) {
        const std::common_type_t<decltype(choices)...> all[] = {choices...};
        return all[random() % sizeof...(choices)];
    };
    using Length = std::chrono::microseconds;
    Machine machine(kind);
    for (int turn = 0; turn < 250; ++turn) {
        machine.read_before = one_of(seconds(0), seconds(0), seconds(5), seconds(90));
        switch (random() % 12) {
            case 0:
            case 1:
                store_some(machine, 3);
                break;
            case 2:
                machine.error = one_of(Length(0), Length(0), Length(days(31)), Length(-days(31)),
                                       Length(years(10)), Length(-years(10)), Length(hours(random() % 2000)),
                                       -Length(hours(random() % 2000)));
                break;
            case 3:
                machine.restart();
                break;
            case 4:
                if (honest)
                    machine.reboot(one_of(seconds(1), seconds(60), seconds(hours(3)), seconds(days(5)),
                                          seconds(days(60))));
                break;
            case 5:
                machine.pause(one_of(seconds(hours(3)), seconds(days(5)), seconds(days(31))),
                              one_of(true, false));
                break;
            case 6:
                // The kernel goes on saying "synchronised" for hours, until NTP sets the clock.
                if (machine.error != Length(0) || !machine.synced) break;
                machine.pause(one_of(seconds(days(5)), seconds(days(31))), true);
                store_some(machine, 3);
                machine.pass(one_of(Length(seconds(1)), Length(hours(1))));
                store_some(machine, 3);
                machine.error = {};
                machine.store();
                break;
            case 7:
                machine.uptime_error -=
                    std::min(machine.uptime(), one_of(seconds(90), seconds(hours(5)), seconds(days(3))));
                break;
            default:
                machine.pass(
                    one_of(Length(seconds(1)), Length(minutes(10)), Length(days(1)), Length(days(4))));
        }
        machine.synced = honest ? machine.error == Length(0) && random() % 4 != 0 : random() % 2 == 0;
        bool some = false;
        for (auto looks = random() % 4; looks > 0; --looks) some |= machine.retain(keep).batches > 0;
        if (!some) continue;
        for (const auto age : machine.gone()) CHECK(age >= keep);
    }
}

TEST_CASE("with a good clock everything goes at the end of the retention") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    for (int day = 0; day < 70; ++day) {
        store_some(machine, 2);
        machine.run(hours(24) - seconds(20), keep);
        machine.uptime_error = seconds(-2);  // of a process that had to wait for another
        machine.retain(keep);
        machine.uptime_error = {};
        for (const auto age : machine.gone()) {
            CHECK(age >= keep);
            // What was lost of the age is made up for within a day of running.
            if (day != 51 && day != 52) CHECK(age <= keep + hours(26));
        }
        if (day % 5 == 4) machine.reboot(minutes(2));
        if (day == 50) machine.reboot(days(10));  // … and so is a long time off
    }
    CHECK(machine.left() <= 60);
    CHECK(machine.left() >= 40);
}

TEST_CASE("a clock that is ahead deletes nothing, and is told of") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    store_some(machine, 200);
    SECTION("at the next start") {
        machine.restart();
        machine.error = days(31);
    }
    SECTION("at the next start of the machine") {
        machine.error = days(31);
        machine.reboot(minutes(1));
    }
    SECTION("when it is set while the machine runs, for good") {
        machine.error = days(31);
        const auto step = machine.retain(keep).step;
        REQUIRE(step);
        CHECK(step->to - step->from > days(30));
        CHECK(step->passed < hours(1));
        CHECK_FALSE(machine.retain(keep).step);  // told once
        machine.run(days(29), keep);
    }
    const auto first = machine.retain(keep);
    REQUIRE(first.held_back);
    CHECK(first.held_back->received < machine.real);
    CHECK(first.held_back->here < days(30));
    machine.error = years(1);
    CHECK(machine.retain(keep).held_back);
    CHECK(machine.left() == 200);
    CHECK(machine.hashes() == 100);
}

TEST_CASE("what was stored under January is not old when the clock is set to November") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.pass(days(300));
    machine.set_clock("2026-01-01T00:00:00Z");
    machine.synced = false;
    store_some(machine, 200);
    machine.run(days(3), keep);
    const bool rebooted = GENERATE(true, false);
    if (rebooted) machine.reboot(minutes(1));
    machine.error = {};
    machine.synced = true;
    machine.run(days(25), keep);  // the clock was good for days: that says nothing of January
    CHECK(machine.left() == 200);
    machine.run(days(4), keep);
    CHECK(machine.left() < 200);
}

TEST_CASE("what was stored after a pause of the machine is not taken to be from before it") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    store_some(machine, 20);
    machine.run(days(3), keep);
    machine.pause(days(31), true);
    SECTION("and NTP sets the clock") {  // the kernel says "synchronised" meanwhile
        store_some(machine, 200);
        machine.error = {};
        machine.run(hours(5), keep);
    }
    SECTION("and nobody sets the clock before the next start") {
        machine.synced = false;
        store_some(machine, 200);
        machine.run(hours(5), keep);
    }
    machine.reboot(minutes(1));
    machine.error = {};
    machine.synced = true;
    machine.run(days(25), keep);
    for (const auto age : machine.gone()) CHECK(age >= keep);
    CHECK(machine.left() >= 200);
    machine.run(days(6), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("the last batches before the machine was off are made older as well") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.run(days(2), keep);
    machine.pass(minutes(1));
    store_some(machine, 40);  // the age is not written so often
    machine.reboot(days(10));
    machine.run(days(20) + hours(1), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("looks that come late do not count time twice, and say of no step") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.pass(hours(5));
    store_some(machine, 20);
    for (int day = 0; day < 29; ++day) {
        for (int hour = 0; hour < 24; ++hour) {
            machine.pass(hours(1));
            machine.read_before = hours(2);  // the process stood still
            CHECK_FALSE(machine.retain(keep).step);
            machine.read_before = {};
            CHECK_FALSE(machine.retain(keep).step);
        }
    }
    machine.error = years(1);  // does not hold back a wrong age
    machine.retain(keep);
    CHECK(machine.left() == 20);
    machine.run(days(1) + hours(1), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("an uptime that goes back and forth does not count time twice") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.pass(hours(5));
    store_some(machine, 20);
    machine.error = years(1);
    for (int look = 0; look < 1000; ++look) {
        machine.uptime_error = look % 2 == 0 ? -hours(2) : hours(0);
        machine.retain(keep);
    }
    CHECK(machine.left() == 20);
}

TEST_CASE("a machine that does not tell its starts deletes by its uptimes") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.tells_starts = false;
    store_some(machine, 20);
    machine.run(days(10), keep);
    machine.reboot(minutes(2));
    machine.run(days(10), keep);
    machine.restart();  // another process counts on
    machine.run(days(9), keep);
    for (const auto age : machine.gone()) CHECK(age >= keep);
    CHECK(machine.left() == 20);
    machine.run(days(1) + hours(2), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("an operator's word makes the wall clock count") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    store_some(machine, 200);
    machine.run(days(2), keep);
    machine.synced = false;  // nobody else can tell
    machine.reboot(days(60));
    store_some(machine, 10);
    CHECK(machine.run(days(2), keep).held_back);
    CHECK(machine.left() == 210);
    machine.trust_times();
    machine.run(hours(2), keep);
    CHECK(machine.left() == 10);
    CHECK(machine.hashes() == 105);  // not yet 90 days
}

TEST_CASE("what an operator vouched for is not counted a second time") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.run(days(2), keep);
    store_some(machine, 20);
    machine.run(hours(1), keep);
    machine.reboot(days(20));
    machine.trust_times();
    machine.run(days(3), keep);  // the clock can be believed again
    machine.error = days(300);   // and does not hold back a wrong age any more
    machine.run(days(4), keep);
    CHECK(machine.left() == 20);
    machine.run(days(4), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("batches received in the future go when they were here for long enough") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.error = years(10);
    store_some(machine, 10);
    machine.error = {};
    machine.run(days(29), keep);
    CHECK(machine.left() == 10);
    machine.run(days(2), keep);
    CHECK(machine.left() == 0);
}

TEST_CASE("an uptime that leaps deletes nothing by itself either") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    store_some(machine, 10);
    machine.uptime_error = days(40);
    machine.run(days(1), keep);
    CHECK(machine.left() == 10);
}

TEST_CASE("an hour deletes a part of the store only, whoever starts anew") {
    Machine machine(GENERATE(as<std::string>{}, in_sqlite, in_postgres));
    machine.store(3000);
    machine.pass(days(31));
    const auto hour = [&] {
        std::uint64_t deleted = 0;
        for (int minute = 0; minute < 60; ++minute, machine.pass(seconds(59))) {
            if (minute % 20 == 19) machine.restart();
            deleted += machine.retain_all(keep);
        }
        machine.pass(seconds(60));
        return deleted;
    };
    CHECK(hour() == 3000 / 24);
    CHECK(hour() == 2875 / 24);
    CHECK(machine.retain_all(hours(12)) ==
          2756 / 6);  // twice what comes in an hour, or it would never keep up
    machine.pass(hours(2));
    CHECK(machine.retain_all(hours(1)) == 2297);
}
