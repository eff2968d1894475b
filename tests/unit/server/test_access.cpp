#include "catch.hpp"

#include "base/error.hpp"
#include "server/access.hpp"

using ble::Access;

namespace {
const std::string token = "0123456789abcdef0123";

std::string cookie_pair(const Access &access) {
    const std::string header = access.set_cookie(false);
    return header.substr(0, header.find(';'));
}
}  // namespace

TEST_CASE("without a token everybody may") {
    const Access access(std::nullopt, {}, true, false);
    CHECK(access.authorized("", ""));
    CHECK_FALSE(access.needs_token());
    CHECK_FALSE(access.token_matches(""));
}

TEST_CASE("a token is wanted as Bearer or as the cookie of a login") {
    const Access access(token, {}, false, false);
    CHECK_FALSE(access.authorized("", ""));
    CHECK(access.authorized("Bearer " + token, ""));
    CHECK(access.authorized("bearer  " + token + " ", ""));
    CHECK_FALSE(access.authorized("Bearer " + token + "x", ""));
    CHECK_FALSE(access.authorized("Bearer " + token.substr(1), ""));
    CHECK_FALSE(access.authorized("Basic " + token, ""));
    CHECK_FALSE(access.authorized("Bearer ", ""));
    CHECK(access.authorized("", cookie_pair(access)));
    CHECK(access.authorized("", "theme=dark; " + cookie_pair(access) + "; x=1"));
    CHECK_FALSE(access.authorized("", cookie_pair(access) + "0"));
    CHECK_FALSE(access.authorized("", "blepipe_session=" + token));
    CHECK_FALSE(access.authorized("", "blepipe_session="));
    CHECK_FALSE(access.authorized("", ";;=;blepipe_session;"));
}

TEST_CASE("the cookie hides the token and is for browsers alone") {
    const Access plain(token, {}, false, false), tls(token, {}, false, true),
        other(token + "1", {}, false, false);
    CHECK(plain.set_cookie(false).find(token) == std::string::npos);
    CHECK(plain.set_cookie(false).find("HttpOnly") != std::string::npos);
    CHECK(plain.set_cookie(false).find("SameSite=Strict") != std::string::npos);
    CHECK(plain.set_cookie(false).find("Secure") == std::string::npos);
    CHECK(tls.set_cookie(false).find("; Secure") != std::string::npos);
    CHECK(plain.set_cookie(true).find("; Secure") != std::string::npos);
    CHECK_FALSE(other.authorized("", cookie_pair(plain)));
}

TEST_CASE("a weak or unusable token is refused") {
    for (const char *bad : {"", "short", "0123456789 abcdef", "0123456789abcd\xc3\xa4zzz"})
        CHECK_THROWS_AS(Access(std::string(bad), {}, false, false), ble::Error);
}

TEST_CASE("a page may listen when it is ours or on the list") {
    const Access access(std::nullopt, {"https://Board.example.org/", "http://dev.example:3000"}, true, false);
    CHECK(access.origin_allowed("", "localhost:8765"));
    CHECK(access.origin_allowed("http://localhost:8765", "localhost:8765"));
    CHECK(access.origin_allowed("http://LOCALHOST:8765", "localhost:8765"));
    CHECK(access.origin_allowed("https://pi.local", "pi.local"));
    CHECK(access.origin_allowed("https://pi.local", "pi.local:443"));
    CHECK(access.origin_allowed("https://board.example.org", "localhost:8765"));
    CHECK(access.origin_allowed("https://board.example.org:443", "localhost:8765"));
    CHECK(access.origin_allowed("http://dev.example:3000", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("http://dev.example:3001", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("http://board.example.org", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("https://evil.example", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("http://localhost:8766", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("http://localhost:8765.evil.example", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("null", "localhost:8765"));
    CHECK_FALSE(access.origin_allowed("null", ""));
    CHECK(Access(std::nullopt, {"*"}, true, false).origin_allowed("https://evil.example", "localhost"));
}

TEST_CASE("what an origin is called in advice can be typed, and lets it in") {
    for (const std::string good : {"https://board.example", "http://dev.example:3000",
                                   "https://BOARD.example:443", "http://[fd00::1]:81"}) {
        const std::string option = Access::nameable(good);
        CHECK_FALSE(option.empty());
        CHECK(Access(std::nullopt, {option}, true, false).origin_allowed(good, "localhost"));
    }
    for (const std::string bad : {"", "null", "https://", "https://a/b", "https://a b", "https://a;b",
                                  "https://$(a)", "https://a\x1b", "https://a'", "ftp://a", "httpx://a",
                                  "board.example", "http://[::1]evil", "http://a:65536", "http://a:b:1"})
        CHECK(Access::nameable(bad).empty());
    CHECK(Access::nameable("https://" + std::string(300, 'a')).empty());
}

TEST_CASE("what is no origin is refused as one") {
    for (const char *bad : {"board.example.org", "https://", "https://a.example/path", "ftp://a.example", ""})
        CHECK_THROWS_AS(Access(std::nullopt, {bad}, true, false), ble::Error);
}

TEST_CASE("on loopback a foreign host name is refused, for it was made to point at us") {
    const Access access(std::nullopt, {"https://board.example.org"}, true, false);
    for (const char *good :
         {"", "localhost", "localhost:8765", "127.0.0.1:8765", "[::1]:8765", "192.168.1.4:8765",
          "x.localhost", "board.example.org", "board.example.org:8765"})
        CHECK(access.host_allowed(good));
    for (const char *bad :
         {"evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example", "[x",
          "[::1]evil", "[::1]evil.example:8765", "[127.0.0.1]", "localhost:x", "board.example.org:x"})
        CHECK_FALSE(access.host_allowed(bad));
    CHECK(Access(std::nullopt, {}, false, false).host_allowed("pi.example:8765"));
    CHECK(Access(token, {}, true, false).host_allowed("pi.example:8765"));
}
