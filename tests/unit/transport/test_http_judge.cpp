#include <string>
#include <vector>

#include "catch.hpp"
#include "transport/http_judge.hpp"

using namespace ble;
using State = HttpJudge::State;
using Verdict = HttpJudge::Verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr int no_connection = 7;  // CURLE_COULDNT_CONNECT

// A judge and its clock.
struct Link {
    explicit Link(std::size_t servers, bool one_try = false) : judge(names(servers), one_try, 0) {}

    static std::vector<std::string> names(std::size_t count) {
        std::vector<std::string> urls;
        for (std::size_t i = 0; i < count; ++i)
            urls.push_back("http://" + std::string(1, static_cast<char>('a' + i)));
        return urls;
    }
    HttpEnd end(long status, const std::string &retry_after = {}, const std::string &body = "{}") const {
        HttpEnd made;
        made.server = judge.server();
        made.answer.status = status;
        made.answer.body = body;
        made.answer.retry_after = retry_after;
        made.failure = status == 0 ? no_connection : 0;
        made.outcome = status == 0 ? HttpOutcome::retry : made.answer.outcome();
        made.text = "it says " + std::to_string(status);
        return made;
    }
    // Of a message that was sent now; `later` gives one to be told of another time.
    HttpEnd later(long status, const std::string &retry_after = {}) const {
        HttpEnd made = end(status, retry_after);
        made.posted = HttpMessage{1, "{}"};
        return made;
    }
    Verdict post(long status, const std::string &retry_after = {}) {
        return judge.post_ended(later(status, retry_after), now);
    }
    void check(long status, const std::string &retry_after = {}) {
        judge.begin_check();
        REQUIRE(judge.state() == State::checking);
        judge.check_ended(end(status, retry_after), now);
    }
    milliseconds wait() const {
        return std::chrono::ceil<milliseconds>(std::max(judge.check_due(), now) - now);
    }
    // The next check, when it is due.
    void next(long status, const std::string &retry_after = {}) {
        REQUIRE(judge.state() == State::waiting);
        now += wait();
        check(status, retry_after);
    }

    HttpJudge judge;
    HttpJudge::Clock::time_point now{std::chrono::hours(1)};
};

}  // namespace

TEST_CASE("nothing is sent before a health check has ended well, which is due at once") {
    Link link(1);
    CHECK(link.judge.state() == State::waiting);
    CHECK(link.wait() == milliseconds(0));
    CHECK_FALSE(link.judge.up());
    link.check(200);
    CHECK(link.judge.state() == State::open);
    CHECK(link.judge.up());
    CHECK(link.judge.status(link.now) == "connected to http://a");
    CHECK(link.post(201) == Verdict::delivered);
    CHECK(link.judge.state() == State::open);
}

TEST_CASE("a failure is waited for, longer each time, until a message is taken") {
    Link link(1);
    link.check(0);
    auto whole = seconds(1);
    for (int n = 0; n < 10; ++n) {
        CHECK(link.wait() >= whole / 2);
        CHECK(link.wait() <= whole);
        CHECK(link.judge.status(link.now).starts_with(n == 0 ? "it says 0, next try in "
                                                             : "it says 503, next try in "));
        link.next(503);
        whole = std::min(whole * 2, seconds(60));
    }
    link.next(200);
    CHECK(link.post(503) == Verdict::retry);  // being well has not shortened it
    CHECK(link.wait() >= seconds(30));
    link.next(200);
    link.post(201);
    CHECK(link.post(503) == Verdict::retry);
    CHECK(link.wait() <= seconds(1));
}

TEST_CASE("a server may ask for its time, and what only a person can change is tried slowly") {
    Link link(1);
    link.check(503, "7");
    CHECK(link.wait() == seconds(7));
    link.next(401, "3");
    CHECK(link.wait() == seconds(3));
    link.next(401);
    CHECK(link.wait() >= milliseconds(2500));
    link.next(200);
    CHECK(link.post(404) == Verdict::retry);
    CHECK(link.wait() >= seconds(5));
    link.judge.stop_waiting(link.now);
    CHECK(link.wait() == milliseconds(0));
    link.next(200);
    link.post(404);
    CHECK(link.wait() <= seconds(5));
}

TEST_CASE("of several that fail together the first counts, and others may ask for more time") {
    Link link(1);
    link.check(200);
    std::vector<HttpEnd> others(16, link.later(503));
    link.post(0);
    const auto due = link.judge.check_due();
    for (const auto &end : others) CHECK(link.judge.post_ended(end, link.now) == Verdict::retry);
    CHECK(link.judge.check_due() == due);
    CHECK(link.judge.post_ended(link.later(201), link.now) == Verdict::delivered);
    CHECK(link.judge.post_ended(link.later(422), link.now) == Verdict::refused);
    CHECK(link.judge.state() == State::waiting);
    CHECK_FALSE(link.judge.up());
    CHECK(link.judge.post_ended(link.later(429, "9"), link.now) == Verdict::retry);
    CHECK(link.wait() == seconds(9));
    CHECK(link.judge.post_ended(link.later(429, "8"), link.now) == Verdict::retry);
    CHECK(link.wait() == seconds(9));
    CHECK(link.judge.trouble() == "it says 0");
    link.next(503);
    CHECK(link.wait() <= seconds(2));
    CHECK(link.wait() >= seconds(1));
}

TEST_CASE("a refusal in no backend's words is believed when the server was well afterwards") {
    Link link(1);
    link.check(200);
    HttpEnd end = link.later(400);
    CHECK(link.judge.post_ended(end, link.now) == Verdict::refused);
    end.answer.body = "<html>";
    CHECK(link.judge.post_ended(end, link.now) == Verdict::ask);
    CHECK(link.judge.state() == State::asking);
    CHECK(link.wait() == milliseconds(0));
    CHECK(link.judge.post_ended(end, link.now) == Verdict::ask);  // one check is for all of them
    CHECK(link.judge.post_ended(link.later(201), link.now) == Verdict::delivered);
    CHECK(link.judge.state() == State::asking);
    link.check(200);
    CHECK(link.judge.state() == State::open);
    end.posted->asked_again = true;
    CHECK(link.judge.post_ended(end, link.now) == Verdict::refused);

    end.posted->asked_again = false;
    CHECK(link.judge.post_ended(end, link.now) == Verdict::ask);
    CHECK(link.post(503) == Verdict::retry);
    CHECK(link.judge.state() == State::waiting);
    CHECK(link.judge.post_ended(end, link.now) == Verdict::retry);
    link.next(200);
    end.posted->payload = "{}\n{}";
    CHECK(link.judge.post_ended(end, link.now) == Verdict::refused);  // to be sent one by one
    end.answer.status = 415;
    end.outcome = end.answer.outcome();
    CHECK(link.judge.post_ended(end, link.now) == Verdict::refused);
    end.posted->payload = "{}";
    CHECK(link.judge.post_ended(end, link.now) == Verdict::retry);
}

TEST_CASE("the next of several servers is asked at once, and waited for when none is left") {
    Link link(3);
    CHECK(link.judge.url() == "http://a");
    link.check(0);
    CHECK(link.judge.url() == "http://b");
    CHECK(link.wait() == milliseconds(0));
    link.check(429, "20");
    CHECK(link.judge.url() == "http://c");
    CHECK(link.wait() == milliseconds(0));
    link.check(401);
    CHECK(link.judge.url() == "http://a");  // the soonest
    CHECK(link.wait() > milliseconds(0));
    CHECK(link.wait() <= seconds(1));
    link.next(200);
    for (int n = 0; n < 3; ++n) CHECK(link.post(201) == Verdict::delivered);
    CHECK(link.judge.url() == "http://a");  // is kept

    link.now += seconds(6);
    CHECK(link.post(503) == Verdict::retry);
    CHECK(link.judge.url() == "http://c");  // b still wants its time
    CHECK(link.wait() == milliseconds(0));
    link.check(200);
    CHECK(link.judge.status(link.now) == "connected to http://c");
    link.now += seconds(20);
    CHECK(link.post(0) == Verdict::retry);
    CHECK(link.judge.url() == "http://a");
}

TEST_CASE("servers that are set up wrongly do not stop one that is not") {
    Link link(3);
    link.check(401);
    link.check(404);
    link.check(200);
    CHECK(link.judge.url() == "http://c");
    for (int n = 0; n < 20; ++n) {
        link.post(201);
        link.post(0);
        for (int others = 0; link.judge.url() != "http://c"; ++others) {
            REQUIRE(others < 2);
            link.next(401);
        }
        CHECK(link.wait() <= seconds(1));
        link.next(200);
    }
}

TEST_CASE("what ends late is of the server that it was sent to") {
    Link link(2);
    link.check(200);
    std::vector<HttpEnd> others(3, link.later(429, "30"));
    link.post(503);
    CHECK(link.judge.url() == "http://b");
    for (const auto &end : others) CHECK(link.judge.post_ended(end, link.now) == Verdict::retry);
    CHECK(link.judge.url() == "http://b");
    CHECK(link.wait() == milliseconds(0));
    link.check(0);
    CHECK(link.judge.url() == "http://b");  // sooner than a, which asked for half a minute
    CHECK(link.wait() <= seconds(1));
}

TEST_CASE("with one try each server is asked once, and none is waited for") {
    Link link(2, true);
    link.check(503, "30");
    CHECK(link.judge.state() == State::waiting);
    CHECK(link.wait() == milliseconds(0));
    CHECK(link.judge.url() == "http://b");
    link.check(0);
    CHECK(link.judge.state() == State::open);
    CHECK_FALSE(link.judge.up());
    CHECK(link.judge.url() == "http://a");
    link.check(200);
    CHECK(link.judge.up());
    HttpEnd end = link.later(422);
    end.answer.body = "<html>";
    CHECK(link.judge.post_ended(end, link.now) == Verdict::refused);
    CHECK(link.post(503) == Verdict::retry);
    CHECK(link.judge.state() == State::open);
    CHECK(link.judge.url() == "http://b");
}
