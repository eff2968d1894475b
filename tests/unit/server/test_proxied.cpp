// What a server has to know of proxies before it.
#include <string>

#include "base/error.hpp"
#include "catch.hpp"
#include "server/path_prefix.hpp"
#include "server/trusted_proxies.hpp"

using namespace ble;

TEST_CASE("only proxies that are named are believed") {
    CHECK_FALSE(TrustedProxies().trusts("127.0.0.1"));
    const TrustedProxies proxies({"127.0.0.1", "fd00::1"});
    for (const char *named : {"127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "fd00::1", "fd00:0:0::1"})
        CHECK(proxies.trusts(named));
    for (const char *other : {"127.0.0.2", "::1", "fd00::2", "", "unknown", "127.0.0.1 ", "::127.0.0.1"})
        CHECK_FALSE(proxies.trusts(other));
    for (const char *bad : {"", "localhost", "127.0.0", "127.0.0.0/8", "unix:"})
        CHECK_THROWS_AS(TrustedProxies({bad}), Error);
}

TEST_CASE("the client is the last one that no trusted proxy has written") {
    const TrustedProxies proxies({"127.0.0.1", "fd00::1"});
    CHECK(proxies.client("192.0.2.1", "203.0.113.9") == "192.0.2.1");
    CHECK(proxies.client("127.0.0.1", "") == "127.0.0.1");
    CHECK(proxies.client("127.0.0.1", "203.0.113.9,  192.0.2.7 ") == "192.0.2.7");
    CHECK(proxies.client("::ffff:127.0.0.1", "192.0.2.7, fd00::1") == "192.0.2.7");
    CHECK(proxies.client("127.0.0.1", "192.0.2.7, unknown") == "127.0.0.1");
    CHECK(proxies.client("127.0.0.1", "192.0.2.7,") == "127.0.0.1");
    CHECK(proxies.client("127.0.0.1", "fd00::1, 127.0.0.1") == "fd00::1");
}

TEST_CASE("a prefix is taken off, and not missed") {
    for (const char *given : {"/ble", "/ble/"}) {
        const PathPrefix prefix(given);
        CHECK(prefix.strip("/ble/") == "/");
        CHECK(prefix.strip("/ble/sub/ws") == "/sub/ws");
        CHECK(prefix.strip("/ble").empty());
        CHECK(prefix.last_part() == "ble/");
        for (const char *path : {"/", "/ws", "/blews", "/blews/x", "/x/ble/", ""})
            CHECK(prefix.strip(path) == path);
    }
    CHECK(PathPrefix("/a/b").strip("/a/b/ws") == "/ws");
    CHECK(PathPrefix("/a/b").last_part() == "b/");
}

TEST_CASE("without a prefix paths stay as they are") {
    for (const char *given : {"", "/"})
        for (const char *path : {"/", "/ws", "//", ""}) CHECK(PathPrefix(given).strip(path) == path);
}

TEST_CASE("what is no path is refused as a prefix") {
    for (const char *bad : {"ble", "/a b", "/a?b", "/%20", "/a//b", "/..", "/a/../b", "/./a", "http://x/ble"})
        CHECK_THROWS_AS(PathPrefix(bad), Error);
}
