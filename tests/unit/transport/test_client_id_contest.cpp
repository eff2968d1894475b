#include "catch.hpp"
#include "transport/client_id_contest.hpp"

using namespace ble;
using namespace std::chrono_literals;
using Ending = ClientIdContest::Ending;

TEST_CASE("a client id used twice is said once, and again every six hours, however often the link is lost") {
    for (const auto ending : {Ending::taken_over, Ending::unexplained}) {
        ClientIdContest contest;
        const auto begin = ClientIdContest::Clock::now();
        int said = 0;
        for (auto now = begin; now < begin + 24h; now += 20s) {
            contest.lost(ending, 19s);
            if (contest.due(now)) ++said;
        }
        CHECK(contest.on());
        CHECK(said == 4);
    }
}

TEST_CASE("what the broker says is believed at once, and hanging up not before the third time") {
    ClientIdContest contest;
    contest.lost(Ending::unexplained, 1s);
    contest.lost(Ending::unexplained, 1s);
    CHECK_FALSE(contest.on());
    contest.lost(Ending::unexplained, 59s);
    CHECK(contest.on());
    CHECK_FALSE(contest.told());

    ClientIdContest told;
    told.lost(Ending::taken_over, 100h);
    CHECK(told.on());
    CHECK(told.told());
}

TEST_CASE("a broker that has troubles of its own, and links that hold, are no rival's doing") {
    ClientIdContest contest;
    for (int i = 0; i < 100; ++i) {
        contest.lost(Ending::unexplained, 1s);
        contest.lost(Ending::unexplained, 1s);
        if (i % 3 == 0) contest.failed();
        if (i % 3 == 1) contest.lost(Ending::unexplained, 60s);
        if (i % 3 == 2) contest.lost(Ending::other, 1s);
        CHECK_FALSE(contest.on());
    }
}

TEST_CASE("a link that held ends it, and the next rival is news") {
    ClientIdContest contest;
    contest.lost(Ending::taken_over, 1s);
    const auto now = ClientIdContest::Clock::now();
    CHECK(contest.due(now));
    CHECK_FALSE(contest.due(now + 1h));
    contest.held();
    CHECK_FALSE(contest.on());
    contest.lost(Ending::taken_over, 1s);
    CHECK(contest.due(now + 2h));
}
