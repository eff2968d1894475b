#include <string>

#include "base/error.hpp"
#include "catch.hpp"
#include "server/api_keys.hpp"

using namespace ble;

TEST_CASE("each key of the text is accepted, and nothing else") {
    const ApiKeys keys("# the lab\r\n\nfirst-key\n  second-key \r\nlast", "keys");
    for (const char *key : {"first-key", "second-key", "last"}) CHECK(keys.accepts(key));
    for (const char *key : {"", "first", "first-key2", "second-key ", "# the lab", "LAST", "first-key\n"})
        CHECK_FALSE(keys.accepts(key));
    CHECK_FALSE(keys.empty());
}

TEST_CASE("without keys there is nothing to accept") {
    CHECK(ApiKeys().empty());
    CHECK_FALSE(ApiKeys().accepts(""));
}

TEST_CASE("a text without a key, or with one that no header can carry, is a configuration error") {
    for (const char *text : {"", "\n\n", "# nothing", "two words", "k\xc3\xa9y",
                             "a\x01"
                             "b"}) {
        try {
            ApiKeys keys(text, "the file");
            FAIL("taken: " << text);
        } catch (const Error &error) {
            CHECK(error.code() == ExitCode::config);
            CHECK(std::string(error.what()).find("the file") != std::string::npos);
        }
    }
}
