#include <cstdlib>

#include "base/error.hpp"
#include "catch.hpp"
#include "transport/proxy.hpp"

using namespace ble;

namespace {

struct Environment {
    Environment(const char *name, const char *value) : name_(name) { ::setenv(name, value, 1); }
    ~Environment() { ::unsetenv(name_); }
    Environment(const Environment &) = delete;
    Environment &operator=(const Environment &) = delete;
    const char *name_;
};

}  // namespace

TEST_CASE("a proxy's URL is taken apart, and repeated without its scheme") {
    for (const auto &[text, host, port, login, authority] :
         {std::tuple("http://proxy.example:3128/", "proxy.example", 3128, "", "proxy.example:3128"),
          std::tuple("proxy.example", "proxy.example", 8080, "", "proxy.example:8080"),
          std::tuple("http://me:s3c@ret@10.0.0.1:1", "10.0.0.1", 1, "me:s3c@ret", "me:s3c%40ret@10.0.0.1:1"),
          std::tuple("u:50%off%41%@h:2", "h", 2, "u:50%off%41%", "u:50%25off%41%25@h:2"),
          std::tuple("http://[::1]:3128", "::1", 3128, "", "[::1]:3128")}) {
        const auto proxy = parse_proxy(text);
        CHECK(proxy.host == host);
        CHECK(proxy.port == port);
        CHECK(proxy.login == login);
        CHECK(proxy.authority() == authority);
    }
}

TEST_CASE("what is no HTTP proxy is an error that repeats nothing") {
    for (const char *text : {"", "http://", "socks5://secret", "http://me:secret@", "proxy:secret", "proxy:0",
                             "proxy:65536", "[::1secret", "se cret:1", "http://host/secret"}) {
        CAPTURE(text);
        try {
            parse_proxy(text);
            FAIL("taken");
        } catch (const Error &error) {
            CHECK(error.code() == ExitCode::config);
            CHECK(std::string(error.what()).find("secret") == std::string::npos);
        }
    }
}

TEST_CASE("the environment names a proxy, and whom it is not for") {
    CHECK(proxy_of_environment(true, "broker.example").empty());
    const Environment https("https_proxy", "http://one:1"), http("http_proxy", "http://two:2");
    CHECK(proxy_of_environment(true, "broker.example") == "http://one:1");
    CHECK(proxy_of_environment(false, "broker.example") == "http://two:2");
    const Environment except("no_proxy", "localhost, .example.org,Broker.Example,10.0.0.1");
    for (const char *host :
         {"localhost", "a.example.org", "example.org", "broker.example", "sub.BROKER.example", "10.0.0.1"})
        CHECK(proxy_of_environment(true, host).empty());
    for (const char *host : {"notbroker.example", "example.organic", "10.0.0.11", "org"})
        CHECK(proxy_of_environment(true, host) == "http://one:1");
    const Environment none("no_proxy", "*");
    CHECK(proxy_of_environment(false, "anything").empty());
}
