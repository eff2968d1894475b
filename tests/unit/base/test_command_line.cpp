#include <cstdlib>
#include <vector>

#include "base/command_line.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "base/nearest.hpp"
#include "catch.hpp"

using namespace std::chrono_literals;

namespace {

struct Options {
    std::string topic = "default/topic", mode = "mqtt";
    std::int64_t port = 1883, near = -60;
    std::chrono::milliseconds wait{1500}, keep{0};
    bool tls = false;
    std::vector<std::string> origins, words;
};

struct Parsed {
    Options options;
    ble::CommandLine line{"tool", "tests"};

    explicit Parsed(std::vector<const char *> argv) {
        line.text("-t,--topic TOPIC", options.topic, "where to", "MQTT_TOPIC");
        line.choice("--mode", options.mode, {"mqtt", "http"}, "how");
        line.number("-p,--port", options.port, 1, 65535, "which port");
        line.number("--near", options.near, -127, 20, "threshold");
        line.duration("--wait-for", options.wait, "how long");
        line.days("--keep DAYS", options.keep, "for how many days");
        line.flag("--tls", options.tls, "be private");
        line.texts("--origin", options.origins, "from where");
        line.words("FILE", options.words, "what");
        argv.insert(argv.begin(), "tool");
        line.parse(static_cast<int>(argv.size()), argv.data());
    }
};

int failure(const std::vector<const char *> &argv) {
    try {
        Parsed parsed(argv);
    } catch (const ble::Error &error) {
        return static_cast<int>(error.code());
    }
    return 0;
}

struct Environment {
    Environment(const char *name, const char *value) : name_(name) { ::setenv(name, value, 1); }
    ~Environment() { ::unsetenv(name_); }
    const char *name_;
};

}  // namespace

TEST_CASE("defaults stay when nothing is given") {
    Parsed parsed({});
    CHECK(parsed.options.topic == "default/topic");
    CHECK(parsed.options.wait == 1500ms);
    CHECK_FALSE(parsed.line.given("--topic"));
}

TEST_CASE("every kind of option is read") {
    Parsed parsed({"-t", "a/b", "--mode", "http", "-p80", "--near", "-70", "--wait-for=2m", "--tls",
                   "--origin", "x", "--origin", "y,z", "file", "other"});
    CHECK(parsed.options.topic == "a/b");
    CHECK(parsed.options.mode == "http");
    CHECK(parsed.options.port == 80);
    CHECK(parsed.options.near == -70);
    CHECK(parsed.options.wait == 120s);
    CHECK(parsed.options.tls);
    CHECK(parsed.options.origins == std::vector<std::string>{"x", "y,z"});
    CHECK(parsed.options.words == std::vector<std::string>{"file", "other"});
    CHECK(parsed.line.on_command_line("--topic"));
}

TEST_CASE("an empty value takes nothing from the word that follows") {
    for (const auto &argv : {std::vector<const char *>{"--topic=", "--tls"}, {"--topic", "", "--tls"}}) {
        Parsed parsed(argv);
        CHECK(parsed.options.topic.empty());
        CHECK(parsed.options.tls);
        CHECK(parsed.line.on_command_line("--topic"));
    }
    CHECK(Parsed({"--", "--topic="}).options.words == std::vector<std::string>{"--topic="});
    CHECK(failure({"--port=", "80"}) == 64);
}

TEST_CASE("the command line goes before the environment, the environment before the default") {
    Environment topic("MQTT_TOPIC", "from/env"), port("BLEPIPE_PORT", "99"), tls("BLEPIPE_TLS", "Yes"),
        origin("BLEPIPE_ORIGIN", "a,b"), wait("BLEPIPE_WAIT_FOR", "250ms");
    Parsed parsed({"--port", "80"});
    CHECK(parsed.options.topic == "from/env");
    CHECK(parsed.options.port == 80);
    CHECK(parsed.options.tls);
    CHECK(parsed.options.wait == 250ms);
    CHECK(parsed.options.origins == std::vector<std::string>{"a", "b"});
    CHECK(parsed.line.given("--topic"));
    CHECK_FALSE(parsed.line.on_command_line("--topic"));
}

TEST_CASE("a flag can be taken back") {
    Environment tls("BLEPIPE_TLS", "yes");
    CHECK(Parsed({}).options.tls);
    CHECK_FALSE(Parsed({"--tls=false"}).options.tls);
    CHECK_FALSE(Parsed({"--tls=0"}).options.tls);
    CHECK(Parsed({"--tls", "--tls"}).options.tls);
    CHECK(failure({"--tls=maybe"}) == 64);
}

TEST_CASE("a wrong word on the command line is 64, in the environment 78") {
    CHECK(failure({"--port", "0"}) == 64);
    CHECK(failure({"--port", "80x"}) == 64);
    CHECK(failure({"--mode", "carrier-pigeon"}) == 64);
    CHECK(failure({"--wait-for", "-1"}) == 64);
    CHECK(failure({"--wait-for", "1y"}) == 64);
    CHECK(failure({"--wait-for", "36501d"}) == 64);
    CHECK(Parsed({"--wait-for", "36500d"}).options.wait == 36500 * 24h);
    CHECK(failure({"--no-such-option"}) == 64);
    CHECK(failure({"--topic"}) == 64);
    Environment port("BLEPIPE_PORT", "many");
    CHECK(failure({}) == 78);
    CHECK(failure({"--port", "80"}) == 0);
}

TEST_CASE("a number of days needs no unit, however it is written; no time is rounded to none") {
    constexpr auto day = 24h;
    CHECK(Parsed({"--keep", "90"}).options.keep == 90 * day);
    CHECK(Parsed({"--keep", "1e1"}).options.keep == 10 * day);
    CHECK(Parsed({"--keep", "0.5"}).options.keep == 12h);
    CHECK(Parsed({"--keep", "36h"}).options.keep == 36h);
    CHECK(Parsed({"--keep", "90s"}).options.keep == 90s);
    CHECK(Parsed({"--wait-for", "0.0001"}).options.wait == 1ms);
    CHECK(Parsed({"--wait-for", "0"}).options.wait == 0ms);
    for (const char *wrong : {"", "d", "many", "1 0", "nan", "1e9"}) CHECK(failure({"--keep", wrong}) == 64);
}

TEST_CASE("LOG_LEVEL is read without regard to case, and a wrong one is 78") {
    {
        Environment level("LOG_LEVEL", "DEBUG");
        Parsed parsed({});
        CHECK(ble::log_level() == ble::LogLevel::debug);
        Parsed quiet({"-q"});
        CHECK(ble::log_level() == ble::LogLevel::warning);
    }
    Environment level("LOG_LEVEL", "loud");
    CHECK(failure({}) == 78);
    ble::set_log_level(ble::LogLevel::info);
}

TEST_CASE("what was probably meant is near enough to be no joke") {
    const std::vector<std::string> known{"--name",
                                         "--location",
                                         "--deny",
                                         "--hash-key",
                                         "--metrics",
                                         "--version",
                                         "--help",
                                         "--device",
                                         "--source",
                                         "--confirm",
                                         "--url",
                                         "--username",
                                         "--password-file",
                                         "--max-rate",
                                         "--confirm-timeout",
                                         "--max-advertisers-per-batch",
                                         "--retain",
                                         "-t"};
    const auto meant = [&](const char *typed) { return ble::nearest(typed, known); };
    for (const char *typed : {"--time", "--duration", "--save", "--retries", "--session", "--http", "--keep",
                              "--batch", "--t", "--zone"})
        CHECK(meant(typed).empty());
    CHECK(meant("--key") == "--hash-key");
    CHECK(meant("--rate") == "--max-rate");
    CHECK(meant("--srce") == "--source");
    CHECK(meant("--usr") == "--username");
    CHECK(meant("--uri") == "--url");
    CHECK(meant("--pasword") == "--password-file");
    CHECK(meant("--confrim") == "--confirm");
    CHECK(meant("--device-id") == "--device");
    CHECK(meant("--lokatoin") == "--location");
}

TEST_CASE("what was probably meant is the name that is begun, or differs in the fewest letters") {
    const std::vector<std::string> known{"--broker", "--port", "--retain", "--spool", "--spool-max", "--tls"};
    const auto meant = [&](const char *typed) { return ble::nearest(typed, known); };
    CHECK(meant("--broke") == "--broker");
    CHECK(meant("--spo") == "--spool");
    CHECK(meant("--retian") == "--retain");  // two letters that are swapped are one mistake
    CHECK(meant("--prot") == "--port");
    CHECK(meant("--spol-max") == "--spool-max");
    CHECK(meant("--ttls") == "--tls");
    CHECK(meant("--something-else").empty());
    CHECK(meant("").empty());
    CHECK(meant(std::string(1000, '-').c_str()).empty());
}

TEST_CASE("names of the environment are looked at whole, and are never printed raw") {
    const char *const environment[] = {"BLEPIPE_TOPIK=x", "BLEPIPE_TLS=yes", "HOME=/", "BLEPIPE_\x1b[2J=1",
                                       nullptr};
    const std::vector<std::string> own{"BLEPIPE_TOPIC", "MQTT_BROKER"};
    const auto warnings = ble::strange_environment(environment, own);
    REQUIRE(warnings.size() == 2);
    CHECK(warnings[0] ==
          "BLEPIPE_TOPIK in the environment is no setting of blepipe; did you mean BLEPIPE_TOPIC?");
    CHECK(warnings[1].find('\x1b') == std::string::npos);
}
