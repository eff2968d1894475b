// With shells as children: what a program does with its questions is the script's business.
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"
#include "server/workers.hpp"

using namespace ble;
using namespace std::chrono_literals;
using Outcome = Workers::Outcome;

namespace {

Workers::Options shell(const std::string &script) {
    Workers::Options options;
    options.command = {"/bin/sh", "-c", script};
    options.environment = environment_without("BLEPIPE_");
    options.pause = 0ms;
    return options;
}

const std::string echo = "while read -r line; do echo \"$$ $line\"; done";

// No further one can be opened.
class NoDescriptors {
  public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit few{3, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors &) = delete;
    NoDescriptors &operator=(const NoDescriptors &) = delete;

  private:
    rlimit before_{};
};

struct Asked {
    std::vector<Outcome> outcomes;
    std::vector<std::string> answers;

    Workers::Answered take() {
        return [this](Outcome outcome, std::string answer) {
            outcomes.push_back(outcome);
            answers.push_back(std::move(answer));
        };
    }
    void wait(Workers &workers, std::size_t count) const {
        while (outcomes.size() < count) {
            pollfd ask{workers.fd(), POLLIN, 0};
            REQUIRE(poll(&ask, 1, 30'000) == 1);
            workers.step();
        }
    }
    // "4711 question": who answered
    std::string who(std::size_t i) const { return answers.at(i).substr(0, answers.at(i).find(' ')); }
};

}  // namespace

TEST_CASE("a question is answered by a line, and the next one by the same process") {
    Workers workers(shell(echo));
    Asked asked;
    REQUIRE(workers.ask("who", asked.take()));
    CHECK(asked.outcomes.empty());  // not at once
    asked.wait(workers, 1);
    REQUIRE(workers.ask("what", asked.take()));
    asked.wait(workers, 2);
    CHECK(asked.outcomes == std::vector<Outcome>(2, Outcome::answered));
    CHECK(asked.answers[0] == asked.who(0) + " who");
    CHECK(asked.answers[1] == asked.who(0) + " what");
}

TEST_CASE("questions at once go to several processes, no more than may be, and the others wait") {
    auto options = shell(echo);
    options.most = 2;
    options.most_waiting = 5;
    Workers workers(options);
    Asked asked;
    for (int i = 0; i < 5; ++i) REQUIRE(workers.ask(std::to_string(i), asked.take()));
    CHECK_FALSE(workers.ask("one too many", asked.take()));
    asked.wait(workers, 5);
    CHECK(asked.outcomes == std::vector<Outcome>(5, Outcome::answered));
    std::vector<std::string> names;
    for (std::size_t i = 0; i < 5; ++i) names.push_back(asked.who(i));
    std::sort(names.begin(), names.end());
    CHECK(std::unique(names.begin(), names.end()) - names.begin() == 2);
}

TEST_CASE("a process that is late is killed, and another one takes what comes then") {
    auto options =
        shell("while read -r line; do case $line in sleep) sleep 1000 ;; *) echo \"$$ $line\" ;; esac; done");
    options.most = 1;
    options.limit = 100ms;
    Workers workers(options);
    Asked asked;
    REQUIRE(workers.ask("sleep", asked.take()));
    asked.wait(workers, 1);
    CHECK(asked.outcomes[0] == Outcome::late);
    REQUIRE(workers.ask("wake", asked.take()));
    asked.wait(workers, 2);
    CHECK(asked.outcomes[1] == Outcome::answered);
}

TEST_CASE("a process that ends fails its question, and the next one is started for the next") {
    auto options = shell("read -r line; case $line in die) exit 3 ;; *) echo \"$$ $line\" ;; esac");
    options.most = 1;
    Workers workers(options);
    Asked asked;
    for (const char *question : {"die", "one", "two"}) {
        REQUIRE(workers.ask(question, asked.take()));
        asked.wait(workers, asked.outcomes.size() + 1);
    }
    CHECK(asked.outcomes[0] == Outcome::failed);
    CHECK(asked.outcomes[1] == Outcome::answered);
    // The second shell has ended since, or takes the question with it: what is in a pipe is lost with its reader, and asked again.
    CHECK(asked.outcomes[2] == Outcome::answered);
}

TEST_CASE("a program that cannot be started fails the questions") {
    Workers::Options options;
    options.command = {"/nonexistent/program"};
    Workers workers(options);
    Asked asked;
    REQUIRE(workers.ask("x", asked.take()));
    asked.wait(workers, 1);
    CHECK(asked.outcomes[0] == Outcome::failed);
}

TEST_CASE("long answers come whole, and too long ones end their process") {
    auto options = shell("while read -r n; do head -c \"$n\" /dev/zero | tr '\\0' x; echo; done");
    options.longest = 300'000;
    Workers workers(options);
    Asked asked;
    REQUIRE(workers.ask("299000", asked.take()));
    asked.wait(workers, 1);
    CHECK(asked.answers[0] == std::string(299'000, 'x'));
    REQUIRE(workers.ask("400000", asked.take()));
    asked.wait(workers, 2);
    CHECK(asked.outcomes[1] == Outcome::too_long);
}

TEST_CASE("what waits can be taken back, and what is being answered cannot") {
    auto options = shell(echo);
    options.most = 1;
    Workers workers(options);
    Asked first, second, third;
    const auto one = workers.ask("first", first.take()), two = workers.ask("second", second.take());
    REQUIRE((one && two));
    workers.step();  // the first one is asked now
    CHECK_FALSE(workers.withdraw(*one));
    CHECK(workers.withdraw(*two));
    CHECK_FALSE(workers.withdraw(*two));
    REQUIRE(workers.ask("third", third.take()));
    third.wait(workers, 1);
    CHECK(third.answers[0] == third.who(0) + " third");
    CHECK(first.outcomes.size() == 1);
    CHECK(second.outcomes.empty());
}

TEST_CASE("a question waits no longer than it may for a process that is free") {
    auto options = shell("sleep 1000");
    options.most = 1;
    options.limit = 1h;
    options.longest_wait = 50ms;
    Workers workers(options);
    Asked asked;
    REQUIRE(workers.ask("first", asked.take()));
    workers.step();
    REQUIRE(workers.ask("second", asked.take()));
    asked.wait(workers, 1);
    CHECK(asked.outcomes[0] == Outcome::late);
}

TEST_CASE("a program that ends without an answer is not started for each question") {
    char folder[] = "/tmp/blepipe-workers-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const std::string log = std::string(folder) + "/starts";
    auto options = shell("echo x >>" + log + "; exit 1");
    options.pause = 1h;
    Workers workers(options);
    Asked asked;
    for (std::size_t i = 1; i <= 3; ++i) {
        REQUIRE(workers.ask("x", asked.take()));
        asked.wait(workers, i);
    }
    CHECK(asked.outcomes == std::vector<Outcome>(3, Outcome::failed));
    std::ifstream starts(log);
    CHECK(std::string(std::istreambuf_iterator<char>(starts), {}) == "x\n");
    std::filesystem::remove_all(folder);
}

TEST_CASE("what a program says of its settings is known before the first question") {
    Workers::Options good, bad, missing;
    good.command = {"/bin/true"};
    bad.command = {"/bin/false"};
    missing.command = {"/nonexistent/program"};
    Workers::check(good);
    CHECK_THROWS_AS(Workers::check(bad), Error);
    CHECK_THROWS_AS(Workers::check(missing), Error);
}

TEST_CASE("the descriptors for a process may be missing for a while") {
    auto options = shell(echo);
    options.pause = 1ms;
    Workers workers(options);
    Asked asked;
    {
        const NoDescriptors none;
        REQUIRE(workers.ask("x", asked.take()));
        asked.wait(workers, 1);
        CHECK(asked.outcomes[0] == Outcome::failed);
    }
    while (asked.outcomes.back() != Outcome::answered) {
        REQUIRE(workers.ask("x", asked.take()));
        asked.wait(workers, asked.outcomes.size() + 1);
    }
}
