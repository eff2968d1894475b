#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "base/command_line.hpp"
#include "catch.hpp"
#include "transport/http.hpp"
#include "transport/http_answer.hpp"
#include "transport/transport.hpp"

using namespace ble;

namespace {

// As blesend does: --url is its own option.
HttpOptions read_options(std::vector<const char *> words) {
    HttpOptions options;
    CommandLine line("blesend", "test");
    line.texts("--url URL", options.urls, "", "HTTP_BASE_URL");
    for (auto *path : {&options.cafile, &options.capath, &options.cert, &options.key})
        line.text(path == &options.cafile   ? "--cafile"
                  : path == &options.capath ? "--capath"
                  : path == &options.cert   ? "--cert"
                                            : "--key",
                  *path, "");
    bool tls = false;
    line.flag("--tls", tls, "");
    line.flag("--insecure", options.insecure, "");
    declare_http_options(options, line);
    words.insert(words.begin(), "blesend");
    REQUIRE(line.parse(static_cast<int>(words.size()), words.data()));
    validate_http_options(options, line);
    return options;
}

ExitCode code_of(const std::vector<const char *> &words) {
    try {
        read_options(words);
    } catch (const Error &error) {
        return error.code();
    }
    return ExitCode::ok;
}

HttpAnswer answer(long status, const std::string &type, const std::string &body) {
    HttpAnswer made;
    made.status = status;
    made.type = type;
    made.body = body;
    made.length_known = true;
    return made;
}

struct Environment {
    Environment(const char *name_given, const char *value) : name(name_given) { ::setenv(name, value, 1); }
    ~Environment() { ::unsetenv(name); }
    const char *name;
};

}  // namespace

TEST_CASE("every HTTP status has one meaning, in a backend's words") {
    const auto all = [](HttpOutcome outcome, const std::vector<long> &statuses) {
        for (const long status : statuses) {
            INFO(status);
            CHECK(answer(status, "application/json", "{}").outcome() == outcome);
        }
    };
    all(HttpOutcome::delivered, {200, 201});
    all(HttpOutcome::refused, {400, 413, 422});
    all(HttpOutcome::retry, {408, 425, 429, 500, 502, 503, 504, 507, 599});
    all(HttpOutcome::configuration,
        {202, 204, 206, 207, 301, 302, 307, 308, 401, 402, 403, 404, 405, 406, 407,
         409, 410, 411, 414, 415, 417, 418, 421, 426, 431, 451, 511, 0,   600, 999});
}

TEST_CASE("200 and 201 are success in a backend's words only") {
    const auto counts = [](const std::string &type, const std::string &body) {
        return answer(200, type, body).outcome() == HttpOutcome::delivered &&
               answer(201, type, body).outcome() == HttpOutcome::delivered;
    };
    CHECK(counts("application/json", R"({"message":"Stored 3 detections","device_id":"pi","count":3})"));
    CHECK(counts("application/json; charset=utf-8", " {\"a\": [1, {}]}\r\n"));
    CHECK(counts("", "{}"));
    CHECK(counts("text/html", "{}"));  // so do frameworks that nobody told otherwise
    CHECK(counts("application/json", ""));
    CHECK(counts("APPLICATION/JSON ; charset=UTF-8", ""));
    for (const char *body : {"<html>log in</html>", "ok", "[]", "[{}]", "\"x\"", "1", "null", "true", " ",
                             R"({"message":"Stored 3 det)", R"({"a":1}{"a":1})", "{}x", "{\"a\":\"\xff\"}"}) {
        INFO(body);
        CHECK_FALSE(counts("application/json", body));
        CHECK_FALSE(counts("text/html", body));
    }
    CHECK_FALSE(counts("", ""));
    CHECK_FALSE(counts("text/html", ""));
    CHECK_FALSE(counts("application/jsonp", ""));
    CHECK_FALSE(counts("application/captive+json", R"({"captive":true})"));
    CHECK_FALSE(counts("application/json", std::string(100'000, '[')));
    auto cut = answer(201, "application/json", "");
    cut.length_known = false;
    CHECK(cut.outcome() == HttpOutcome::configuration);
    auto long_one = answer(201, "application/json", "{}" + std::string(HttpAnswer::longest_body - 2, ' '));
    CHECK(long_one.outcome() == HttpOutcome::delivered);
    long_one.too_long = true;
    CHECK(long_one.outcome() == HttpOutcome::configuration);
}

TEST_CASE("an answer is described with what came instead of a backend's, and what to do") {
    const auto says = [](const HttpAnswer &given, const std::string &text) {
        INFO(given.describe());
        return given.describe().find(text) != std::string::npos;
    };
    CHECK(answer(200, "text/html", "<html>").describe() ==
          "answers 200 with text/html: a login page or another server in between?");
    CHECK(says(answer(201, "application/json", "{\"a\":"), "with a JSON object that is not whole"));
    CHECK(says(answer(201, "", ""), "with nothing, and no Content-Type: application/json"));
    CHECK(says(answer(201, "", "ok"), "with no JSON object"));
    CHECK(says(answer(200, "text/a\nb", "x"), "text/a\\x0ab"));
    CHECK(answer(503, "text/plain", "busy").describe() == "status 503 (busy)");
    CHECK(says(answer(511, "text/html", "<html>"), "this network needs a login first"));
    CHECK(says(answer(407, "text/html", "<html>"), "http_proxy"));
    auto moved = answer(302, "", "");
    moved.location = "http://portal.example/login";
    CHECK(says(moved, "status 302, to http://portal.example/login; redirects are not followed"));
}

TEST_CASE("a date in Retry-After is read by the server's own clock") {
    using std::chrono::seconds;
    const std::string present = "Tue, 01 Jan 2036 00:00:00 GMT", soon = "Tue, 01 Jan 2036 00:00:07 GMT";
    CHECK(wait_asked(soon, present) == seconds(7));
    CHECK(wait_asked("Wed, 02 Jan 2036 00:00:00 GMT", present) == longest_retry_after);
    CHECK(wait_asked("Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:30 1994") == seconds(7));
    for (const std::string unknown : {"", "soon", "99", "Tue, 99 Jan 2036"}) {
        INFO(unknown);
        CHECK_FALSE(wait_asked(soon, unknown));
    }
    CHECK_FALSE(wait_asked(present, soon));
    CHECK_FALSE(wait_asked(present, present));
    CHECK(wait_asked("7", "") == seconds(7));
    CHECK(wait_asked("7", present) == seconds(7));
    for (const char *long_wait : {"3600", "3601", "99999999999999999999999999"})
        CHECK(wait_asked(long_wait, present) == longest_retry_after);
    for (const char *none : {"", "0", "-5", "soon", "7 s"}) {
        INFO(none);
        CHECK_FALSE(wait_asked(none, present));
    }
}

TEST_CASE("a URL names host and port, and whether TLS is spoken") {
    for (const auto &[url, host, port, tls] : {std::tuple{"http://h", "h", 80, false},
                                               {"https://h/path", "h", 443, true},
                                               {"https://[::1]:8443", "::1", 8443, true}}) {
        const auto server = server_of(url);
        CHECK(server.host == host);
        CHECK(server.port == port);
        CHECK(server.tls == tls);
    }
}

TEST_CASE("a base URL loses the slashes at its end") {
    CHECK(read_options({"--url", "https://a.example/base//"}).urls ==
          std::vector<std::string>{"https://a.example/base"});
    CHECK(read_options({}).urls == std::vector<std::string>{"http://localhost:8000"});
}

TEST_CASE("in the environment blanks may stand between URLs") {
    CHECK(code_of({"--url", "http://a http://b"}) == ExitCode::usage);
    const Environment environment("HTTP_BASE_URL", " http://a/  http://b, http://c ");
    CHECK(read_options({}).urls == std::vector<std::string>{"http://a", "http://b", "http://c"});
}

TEST_CASE("a URL that cannot be used is a usage error, or one of configuration in the environment") {
    for (const char *url : {"ftp://a", "http://", "http://user:secret@a", "http://user@a", "http://a/?x=1",
                            "http://a/#f", "http://a:99999", "http://a b", "mqtt://a"}) {
        INFO(url);
        CHECK(code_of({"--url", url}) == ExitCode::usage);
        const Environment environment("HTTP_BASE_URL", url);
        CHECK(code_of({}) == ExitCode::config);
    }
}

TEST_CASE("options that contradict each other or name absent files are told at once") {
    CHECK(code_of({"--timeout", "0"}) == ExitCode::usage);
    CHECK(code_of({"--insecure", "--cafile", "/dev/null"}) == ExitCode::usage);
    CHECK(code_of({"--key", "/dev/null"}) == ExitCode::usage);
    CHECK(code_of({"--cafile", "/absent"}) == ExitCode::usage);
    CHECK(code_of({"--api-key-file", "/absent"}) == ExitCode::config);
    const Environment environment("BLEPIPE_CAFILE", "/absent");
    CHECK(code_of({}) == ExitCode::config);
}

TEST_CASE("the API key comes from the environment and is one line") {
    for (const auto *value : {"k3y", "k3y\r\nX-Other: 1"}) {
        const Environment environment("HTTP_API_KEY", value);
        CHECK(read_options({}).api_key == "k3y");
    }
    const Environment environment("HTTP_API_KEY", "k3y\rX-Other: 1");
    CHECK(code_of({}) == ExitCode::config);
}

TEST_CASE("the table of transports names MQTT first") {
    CHECK(transport_modes() == std::vector<std::string>{"mqtt", "http"});
}
