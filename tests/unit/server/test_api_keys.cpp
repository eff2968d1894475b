#include <string>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "catch.hpp"
#include "server/api_keys.hpp"

using namespace ble;

namespace {

std::string line_of(const std::string &device, const std::string &key) {
    return device + ":" + hex(sha256(key));
}

std::string owner(const ApiKeys &keys, std::string_view key) {
    const std::string *found = keys.owner(key);
    return found != nullptr ? *found : "nobody";
}

}  // namespace

TEST_CASE("each key of the text has its owner, and no other text has any") {
    const ApiKeys keys("# the lab\r\n\n" + line_of("pi-1", "first") + "\n  " + line_of("pi-1", "second") +
                           " \r\n" + line_of("a:b:c", "third") + "\n" + line_of("*", "fourth") +
                           "\nplain-key:1234567",
                       "keys");
    CHECK(owner(keys, "first") == "pi-1");
    CHECK(owner(keys, "second") == "pi-1");
    CHECK(owner(keys, "third") == "a:b:c");
    CHECK(owner(keys, "fourth") == every_device);
    CHECK(owner(keys, "plain-key:1234567") == every_device);
    for (const char *key : {"", "firs", "first2", "# the lab", "FIRST", "first\n", "pi-1"})
        CHECK(owner(keys, key) == "nobody");
    CHECK(owner(keys, hex(sha256("first"))) == "nobody");
    CHECK(keys.size() == 5);
    CHECK(keys.plain() == 1);
    CHECK(keys.too_short() == 0);
}

TEST_CASE("keys that stand there themselves speak for every device, and short ones are told") {
    const ApiKeys keys("short\n0123456789abcdef\n", "keys");
    CHECK(owner(keys, "short") == every_device);
    CHECK(owner(keys, "0123456789abcdef") == every_device);
    CHECK(keys.plain() == 2);
    CHECK(keys.too_short() == 1);
}

TEST_CASE("without keys there is nothing to accept") {
    CHECK(ApiKeys().everybody_may());
    CHECK(ApiKeys().owner("") == nullptr);
}

TEST_CASE("a new key opens by the line that is made for it") {
    const NewKey made = make_key("pi-1");
    CHECK(made.key.size() == 64);
    CHECK(made.line.find(made.key) == std::string::npos);
    CHECK(owner(ApiKeys(made.line, "keys"), made.key) == "pi-1");
    CHECK(make_key("pi-1").key != made.key);
}

TEST_CASE("a key may be for a device_id or for all, and for nothing else") {
    for (const char *good : {"*", "pi1", "pi 1", "\xc3\xa4\xc3\xb6\xc3\xbc"})
        CHECK(why_no_key_device(good).empty());
    for (const std::string &bad :
         {std::string(), std::string("pi"), std::string("**"), std::string("p\ni"), std::string("pi\x7f"),
          std::string("pi\xc2\x9b"), std::string("pi-\xe2\x80\xae"), std::string("pi-\xff"),
          std::string(51, 'x')})
        CHECK_FALSE(why_no_key_device(bad).empty());
}

TEST_CASE("without a file of keys everybody may, with an empty one nobody") {
    CHECK(ApiKeys().everybody_may());
    for (const char *text : {"", "# nothing\n\n"}) {
        const ApiKeys keys(text, "the file");
        CHECK_FALSE(keys.everybody_may());
        CHECK(keys.size() == 0);
        CHECK(keys.owner("") == nullptr);
    }
}

TEST_CASE("a text that is no file of keys is a configuration error, which names the line and not the key") {
    const std::string good = line_of("pi-1", "first");
    const std::vector<std::pair<std::string, std::string>> bad{
        {"two words", "line 1 "},
        {"k\xc3\xa9y", "line 1 "},
        {"a\x01"
         "b",
         "line 1 "},
        {good + "\n" + good, "line 2 "},
        {good + "\n#\nfirst", "line 3 "},
        {good.substr(0, good.size() - 1), "63 digits instead of 64"},
        {good + "0", "65 digits instead of 64"},
        {"pi" + good.substr(4), "no device_id"},
        {good.substr(4), "no device_id"},
    };
    for (const auto &[text, said] : bad) {
        try {
            ApiKeys keys(text, "the file");
            FAIL("taken: " << text);
        } catch (const Error &error) {
            const std::string words = error.what();
            CHECK(error.code() == ExitCode::config);
            CHECK(words.find("the file") != std::string::npos);
            CHECK(words.find(said) != std::string::npos);
            CHECK(words.find("first") == std::string::npos);
            CHECK(words.find(good.substr(5, 20)) == std::string::npos);
        }
    }
}
