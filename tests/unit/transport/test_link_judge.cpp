#include <functional>
#include <vector>

#include "catch.hpp"
#include "transport/link_judge.hpp"
#include "transport/mqtt_reason.hpp"

using namespace ble;
using Verdict = LinkJudge::Verdict;
using std::chrono::milliseconds;

namespace {

constexpr auto none = mqtt::success;

// What blesend does: messages in order, as many at a time as the judge lets it; suspects behind the others, alone. The test
// says of each publish whether the broker takes it.
class Chain {
  public:
    // place: 0 for the first publish on its link. id: 0 for a control.
    using Broker = std::function<bool(std::size_t place, std::uint64_t id)>;

    Chain(std::uint64_t seed, std::size_t messages, std::size_t window, Broker broker)
        : judge_(seed), window_(window), broker_(std::move(broker)) {
        for (std::uint64_t id = 1; id <= messages; ++id) waiting_.push_back(id);
    }

    void run(std::size_t most_links) {
        while (links < most_links && (!waiting_.empty() || !later_.empty())) link();
    }

    std::vector<std::uint64_t> taken, guilty;
    std::size_t links = 0, quick = 0;

  private:
    void link() {
        ++links;
        std::size_t place = 0;
        for (std::size_t left = judge_.begin_link(now_, !taken.empty()); left > 0; --left) {
            now_ += milliseconds(1);
            if (!broker_(place++, 0)) return end({});
            judge_.take_control();
        }
        while (!waiting_.empty() || !later_.empty()) {
            std::vector<LinkJudge::Sent> open;
            const std::size_t most = waiting_.empty() || judge_.one_at_a_time() ? 1 : window_;
            auto &from = waiting_.empty() ? later_ : waiting_;
            for (std::size_t i = 0; i < std::min(most, from.size()); ++i) open.push_back({from[i], 1, now_});
            for (std::size_t answered = 0; answered < open.size(); ++answered) {
                now_ += milliseconds(1);
                const auto id = open[answered].id;
                if (!broker_(place++, id))
                    return end({open.begin() + static_cast<long>(answered), open.end()});
                judge_.take(id);
                taken.push_back(id);
                from.erase(from.begin());
            }
        }
    }
    void end(const std::vector<LinkJudge::Sent> &open) {
        const auto verdict = judge_.end_link(open, none, now_);
        if (judge_.retry_soon()) ++quick;
        now_ += milliseconds(100);
        if (verdict == Verdict::retry) return;
        const auto id = open.front().id;
        auto &from = waiting_.empty() ? later_ : waiting_;
        REQUIRE(from.front() == id);
        from.erase(from.begin());
        REQUIRE(verdict != Verdict::part);
        (verdict == Verdict::later ? later_ : guilty).push_back(id);
    }

    LinkJudge judge_;
    std::size_t window_;
    Broker broker_;
    std::vector<std::uint64_t> waiting_, later_;
    LinkJudge::Clock::time_point now_{};
};

std::vector<LinkJudge::Sent> sent(std::uint64_t id, std::size_t lines = 1) {
    return {{id, lines, {}}};
}

}  // namespace

TEST_CASE("what ends every link is found, and the others are taken meanwhile") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Chain one(seed, 200, 64, [](std::size_t, std::uint64_t id) { return id != 40; });
        one.run(40);
        CHECK(one.guilty == std::vector<std::uint64_t>{40});
        CHECK(one.taken.size() == 199);

        Chain three(seed, 200, 64, [](std::size_t, std::uint64_t id) { return id % 64 != 1 || id == 1; });
        three.run(120);
        CHECK(three.guilty.size() == 3);
        CHECK(three.taken.size() == 197);
    }
}

TEST_CASE("however many at the head end every link, they are found, and the others are taken") {
    for (const std::size_t bad : {8, 9, 20})
        for (std::uint64_t seed = 0; seed < 50; ++seed) {
            Chain chain(seed, bad + 50, 64,
                        [&](std::size_t, std::uint64_t id) { return id == 0 || id > bad; });
            chain.run(16 * bad);
            CHECK(chain.guilty.size() == bad);
            CHECK(chain.taken.size() == 50);
            CHECK(chain.links == chain.quick + 2);  // before it is one at a time
        }
}

TEST_CASE(
    "what ends every link is found though the link takes answers with it, and what was answered is sent "
    "again") {
    constexpr std::uint64_t bad = 22, messages = 40;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        std::mt19937_64 random(seed);
        LinkJudge judge(seed);
        auto last = Verdict::retry;
        std::size_t links = 0, quick = 0;
        while (last == Verdict::retry && ++links < 40) {
            judge.begin_link({}, true);
            std::vector<LinkJudge::Sent> open;
            // One after the other all are answered; of those at once only so many.
            const std::uint64_t answered = judge.one_at_a_time() ? bad : random() % bad;
            for (std::uint64_t id = 1; id < bad; ++id)
                if (id < answered)
                    judge.take(id);
                else
                    open.push_back({id, 1, {}});
            open.push_back({bad, 1, {}});
            if (open.size() > 1)
                for (std::uint64_t id = bad + 1; id <= messages; ++id) open.push_back({id, 1, {}});
            last = judge.end_link(open, none, {});
            if (judge.retry_soon()) ++quick;
        }
        CHECK(last == Verdict::later);
        CHECK(links < 8);
        CHECK(quick >= links - 2);
    }
}

TEST_CASE("links are made quickly while that tells something, and after a reason of the link never") {
    const std::vector<LinkJudge::Sent> open = sent(7);
    LinkJudge down(1);  // takes nothing
    std::size_t quick = 0;
    for (int link = 0; link < 1000; ++link) {
        down.begin_link({}, true);
        down.end_link(open, none, {});
        if (down.retry_soon()) ++quick;
    }
    CHECK(quick == LinkJudge::most_quick);
    down.take(1);
    down.begin_link({}, true);
    down.end_link(open, none, {});
    CHECK(down.retry_soon());
    down.end_link(open, none, {});
    CHECK_FALSE(down.retry_soon());

    for (const int reason : {mqtt::rate_too_high, mqtt::server_busy, mqtt::connection_rate_exceeded}) {
        LinkJudge judge(1);
        for (int link = 0; link < 4; ++link) judge.end_link(open, none, {});
        CHECK(judge.retry_soon());
        judge.begin_link({}, true);
        judge.take_control();
        judge.end_link(open, reason, {});
        CHECK_FALSE(judge.retry_soon());
    }
}

TEST_CASE("a broker that ends links by itself makes nobody guilty") {
    std::size_t found = 0;
    const auto count = [&](std::uint64_t seed, std::size_t window, const Chain::Broker &broker) {
        Chain chain(seed, 100, window, broker);
        chain.run(20'000);
        found += chain.guilty.size();
        return chain.taken.size() == 100;
    };
    for (std::uint64_t seed = 0; seed < 200; ++seed)
        for (const std::size_t window : {1, 5, 64}) {
            INFO("seed " << seed << ", window " << window);
            std::mt19937_64 random(seed);
            const auto chance = [&](double p) { return std::bernoulli_distribution(p)(random); };
            // At any publish, more or less often.
            for (const double p : {0.02, 0.3, 0.7})
                CHECK(count(seed, window, [&](std::size_t, std::uint64_t) { return !chance(p); }));
            // At a certain publish on each link.
            for (const std::size_t place : {1, 2, 5, 8, 20})
                CHECK(count(seed, window, [&](std::size_t at, std::uint64_t) { return at != place; }));
            // At the first on each link, for a long time; then it is well.
            std::size_t publishes = 0;
            CHECK(count(seed, window, [&](std::size_t, std::uint64_t) { return ++publishes > 500; }));
            // The same after it has been well.
            publishes = 0;
            CHECK(count(seed, window,
                        [&](std::size_t, std::uint64_t) { return ++publishes < 20 || publishes > 500; }));
            // At everything for a while, so that there are suspects, and then at a certain publish on each link.
            for (const std::size_t place : {1, 2, 5}) {
                publishes = 0;
                CHECK(count(seed, window, [&](std::size_t at, std::uint64_t) {
                    return ++publishes < 20 || (publishes > 50 && at != place);
                }));
            }
        }
    CHECK(found == 0);
}

TEST_CASE("a link that ends again at the same message makes the messages go one at a time") {
    LinkJudge judge(1);
    const std::vector<LinkJudge::Sent> five = {{1, 1, {}}, {2, 1, {}}, {3, 1, {}}, {4, 1, {}}, {5, 1, {}}};
    CHECK(judge.end_link(five, none, {}) == Verdict::retry);
    CHECK(judge.end_link(five, none, {}) == Verdict::retry);
    CHECK_FALSE(judge.one_at_a_time());
    CHECK(judge.end_link(five, none, {}) == Verdict::retry);
    for (std::uint64_t id = 1; id <= 5; ++id) {
        CHECK(judge.one_at_a_time());
        judge.take(id);
    }
    CHECK_FALSE(judge.one_at_a_time());
    // Ends at other messages, at none, and for a reason of the link itself do not add up.
    for (int i = 0; i < 10; ++i) {
        CHECK(judge.end_link(sent(6), none, {}) == Verdict::retry);
        CHECK(judge.end_link(sent(7), none, {}) == Verdict::retry);
        CHECK(judge.end_link({}, none, {}) == Verdict::retry);
        CHECK(judge.end_link(sent(8), mqtt::session_taken_over, {}) == Verdict::retry);
    }
    CHECK_FALSE(judge.one_at_a_time());
}

TEST_CASE("a link may have ended at what was on its way twice, or at anything while there are suspects") {
    LinkJudge judge(1);
    const std::vector<LinkJudge::Sent> two = {{1, 1, {}}, {2, 1, {}}};
    CHECK_FALSE(judge.suspects(two));
    judge.end_link(two, none, {});
    CHECK(judge.suspects(sent(2)));
    CHECK_FALSE(judge.suspects(sent(3)));
    CHECK_FALSE(judge.suspects({}));
    judge.end_link({}, none, {});
    CHECK_FALSE(judge.suspects(sent(2)));
    for (int i = 0; i < 3; ++i) judge.end_link(sent(3), none, {});
    CHECK(judge.suspects({}));
    judge.take(3);
    judge.end_link({}, none, {});
    CHECK_FALSE(judge.suspects(sent(3)));
}

TEST_CASE("a reason that speaks of the message is believed at once, when it was alone") {
    for (const int reason : {mqtt::packet_too_large, mqtt::payload_format_invalid}) {
        LinkJudge judge(1);
        CHECK(judge.end_link(std::vector<LinkJudge::Sent>{{1, 1, {}}, {2, 1, {}}}, reason, {}) ==
              Verdict::retry);
        CHECK(judge.one_at_a_time());
        CHECK(judge.end_link(sent(1), reason, {}) == Verdict::guilty);
    }
}

TEST_CASE("what is alone and of several lines is parted, and its lines go one at a time") {
    LinkJudge judge(1);
    for (int i = 0; i < 2; ++i) CHECK(judge.end_link(sent(1, 64), none, {}) == Verdict::retry);
    CHECK(judge.end_link(sent(1, 64), none, {}) == Verdict::part);
    for (std::uint64_t id = 1; id <= 64; ++id) {
        CHECK(judge.one_at_a_time());
        judge.take(id);
    }
    CHECK(judge.one_at_a_time());  // the next
    CHECK(judge.end_link(sent(65, 64), none, {}) == Verdict::part);
}

TEST_CASE("what is long on its way is held back for longer than that, where it can be compared") {
    using std::chrono::seconds;
    LinkJudge judge(1);
    LinkJudge::Clock::time_point now{};
    auto last = Verdict::retry;
    std::size_t links = 0;
    while (last != Verdict::guilty && ++links < 100) {
        judge.begin_link(now, true);
        CHECK(judge.wait_before(7, now).count() == 0);  // nothing was taken
        judge.take_control();
        const auto wait = judge.wait_before(7, now);
        CHECK(wait == (last == Verdict::later ? seconds(30) : seconds(0)));
        now += wait;
        CHECK(judge.wait_before(7, now).count() == 0);
        const std::vector<LinkJudge::Sent> open = {{7, 1, now}};
        now += seconds(20);
        last = judge.end_link(open, none, now);
    }
    CHECK(links == 2 + 1 + LinkJudge::trials);
}

TEST_CASE("nobody is guilty by long ways alone, or where nothing was taken before") {
    using std::chrono::seconds;
    const auto verdict_after = [](milliseconds lived, milliseconds on_its_way, bool takes_controls) {
        LinkJudge judge(1);
        LinkJudge::Clock::time_point now{};
        auto last = Verdict::retry;
        for (int link = 0; link < 200 && last != Verdict::guilty; ++link) {
            judge.begin_link(now, takes_controls);
            if (takes_controls) judge.take_control();
            now += lived;
            const std::vector<LinkJudge::Sent> open = {{7, 1, now}};
            now += on_its_way;
            last = judge.end_link(open, none, now);
        }
        return last;
    };
    CHECK(verdict_after(milliseconds(1), milliseconds(900), true) == Verdict::guilty);
    CHECK(verdict_after(milliseconds(1), seconds(20), true) == Verdict::later);
    CHECK(verdict_after(seconds(30), seconds(20), true) == Verdict::guilty);
    CHECK(verdict_after(milliseconds(1), milliseconds(1), false) == Verdict::later);
}
