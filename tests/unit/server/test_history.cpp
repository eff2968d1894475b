// What /api/v1/ asks, and of whom: with shells as workers.
#include <poll.h>

#include <string>
#include <vector>

#include "catch.hpp"
#include "server/history.hpp"

using namespace ble;

namespace {

std::string line_of(std::string_view name, const History::Arguments &arguments = {}) {
    return std::get<std::string>(History::question_of(name, arguments));
}

int refusal_of(std::string_view name, const History::Arguments &arguments = {}) {
    return std::get<HttpReply>(History::question_of(name, arguments)).status;
}

History::Answer answered(History &history, const std::string &question) {
    std::shared_ptr<const History::Answer> answer;
    history.ask(question, [&](auto given) { answer = given; });
    while (!answer) {
        pollfd ask{history.fd(), POLLIN, 0};
        REQUIRE(poll(&ask, 1, 30'000) == 1);
        history.step();
    }
    return *answer;
}

Workers::Options shell(const std::string &script) {
    Workers::Options options;
    options.command = {"/bin/sh", "-c", script};
    options.environment = environment_without("BLEPIPE_");
    options.most = 1;
    return options;
}

}  // namespace

TEST_CASE("a path and its arguments are a question in words between tabs") {
    CHECK(line_of("pis") == "pis\t--limit=1000");
    CHECK(line_of("occupancy", {{"since", "24h"}, {"place", "Main hall"}}) ==
          "occupancy\t--since=24h\t--place=Main hall\t--limit=1000");
    CHECK(line_of("track", {{"hash", "ab12"}, {"limit", "10000"}}) == "track\t--limit=10000\tab12");
}

TEST_CASE("nothing else reaches a worker") {
    CHECK(refusal_of("serve") == 404);
    CHECK(refusal_of("") == 404);
    CHECK(refusal_of("pis\t--db=/etc/passwd") == 404);
    CHECK(refusal_of("pis", {{"db", "other.db"}}) == 400);
    CHECK(refusal_of("pis", {{"hash", "ab"}}) == 400);  // of track alone
    CHECK(refusal_of("pis", {{"place", "x\t--db=y"}}) == 400);
    CHECK(refusal_of("pis", {{"place", "x\ny"}}) == 400);
    CHECK(refusal_of("pis", {{"place", ""}}) == 400);
    CHECK(refusal_of("pis", {{"place", std::string(201, 'x')}}) == 400);
    CHECK(refusal_of("pis", {{"since", "1h"}, {"since", "2h"}}) == 400);
    CHECK(refusal_of("pis", {{"limit", "10001"}}) == 400);
    CHECK(refusal_of("pis", {{"limit", "0"}}) == 400);
    CHECK(refusal_of("pis", {{"limit", "5 --db=y"}}) == 400);
    CHECK(refusal_of("track") == 400);
    CHECK(refusal_of("track", {{"hash", "--db=x"}}) == 400);
    CHECK(refusal_of("track", {{"hash", "AB"}}) == 400);
}

TEST_CASE("an answer has its status, its body and, when it is good, a tag of what it says") {
    History history(
        shell("while read -r q; do case $q in no) echo '404 {\"detail\":\"no\"}' ;; *) echo \"200 {$q}\" ;; "
              "esac; done"));
    const auto good = answered(history, "x"), other = answered(history, "y"), bad = answered(history, "no");
    CHECK(good.status == 200);
    CHECK(good.body == "{x}");
    CHECK(good.tag.substr(0, 3) == "W/\"");
    CHECK(good.tag != other.tag);
    CHECK(bad.status == 404);
    CHECK(bad.body == "{\"detail\":\"no\"}");
    CHECK(bad.tag.empty());
}

TEST_CASE("a question is asked once for all who wait, and for who comes a moment later") {
    History history(shell("n=0; while read -r q; do n=$((n + 1)); echo \"200 $n\"; done"));
    std::vector<std::string> bodies;
    for (int i = 0; i < 3; ++i) history.ask("same", [&](auto answer) { bodies.push_back(answer->body); });
    CHECK(answered(history, "same").body == "1");
    CHECK(bodies == std::vector<std::string>(3, "1"));
    CHECK(answered(history, "same").body == "1");
    CHECK(answered(history, "other").body == "2");
}

TEST_CASE("who has gone is not told, and what nobody waits for is not asked") {
    History history(shell("n=0; while read -r q; do n=$((n + 1)); echo \"200 $n\"; done"));
    int told = 0;
    for (const char *question : {"one", "two", "three"})
        history.forget(history.ask(question, [&](auto) { ++told; }));
    CHECK(answered(history, "four").body == "1");
    history.forget(history.ask("five", [&](auto) { ++told; }));
    CHECK(answered(history, "five").body == "2");
    CHECK(told == 0);
}

TEST_CASE("long answers are packed once, for who takes them so") {
    History history(
        shell("while read -r q; do printf '200 '; head -c 5000 /dev/zero | tr '\\0' x; echo; done"));
    const auto answer = answered(history, "x");
    CHECK(answer.body == std::string(5000, 'x'));
    CHECK(answer.packed.size() < 500);
    CHECK(answer.packed.substr(0, 2) == "\x1f\x8b");
}

TEST_CASE("a client's tags and packings are read as HTTP has them") {
    CHECK(has_tag("W/\"a\"", "W/\"a\""));
    CHECK(has_tag("\"x\", \"a\" ,W/\"y\"", "W/\"a\""));
    CHECK(has_tag("*", "\"a\""));
    CHECK_FALSE(has_tag("", "\"a\""));
    CHECK_FALSE(has_tag("\"ab\"", "\"a\""));
    CHECK(takes_gzip("br, gzip"));
    CHECK(takes_gzip("gzip;q=0.5"));
    CHECK_FALSE(takes_gzip("gzip;q=0, br"));
    CHECK_FALSE(takes_gzip("gzip ; q=0.000"));
    CHECK_FALSE(takes_gzip("xgzip"));
    CHECK_FALSE(takes_gzip(""));
}

TEST_CASE("what goes wrong has a status") {
    History ends(shell("read -r q")), talks(shell("while read -r q; do echo what; done"));
    CHECK(answered(ends, "x").status == 503);
    CHECK(answered(talks, "x").status == 500);
    auto slow = shell("sleep 1000");
    slow.limit = std::chrono::milliseconds(50);
    slow.most_waiting = 1;
    History late(slow);
    CHECK(answered(late, "x").status == 504);
    History busy(slow);
    int status = 0;
    busy.ask("x", [](auto) {});
    busy.ask("y", [&](auto answer) { status = answer->status; });
    CHECK(status == 503);
}
