#include "batch/confirmation.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "batch/sender.hpp"
#include "catch.hpp"

using namespace ble;

namespace {

const std::string batch = R"({"device_id":"pi-lab-1","run_id":"9f2c41d07a6be813","seq":412,"detections":[]})";

std::optional<NamedLine> name(const std::string &line) {
    BatchParser parser;
    return name_line(parser.parse(line), line);
}

LineDigest digest_of(const std::string &text) {
    LineDigest digest;
    const auto whole = sha256(text);
    std::copy_n(whole.begin(), digest.size(), digest.begin());
    return digest;
}

}  // namespace

TEST_CASE("a batch is named by its run and seq, a gap line by its range") {
    CHECK(name(batch)->name == LineName{"pi-lab-1", "9f2c41d07a6be813", false, 412, 412});
    CHECK(name(print_gap({"pi-lab-1", "9f2c41d07a6be813", 3, 9, "buffer_full"}))->name ==
          LineName{"pi-lab-1", "9f2c41d07a6be813", true, 3, 9});
}

TEST_CASE("a batch without a name is named by its line") {
    const std::string line = R"({"device_id":"pi-lab-1","detections":[]})";
    CHECK(name(line)->name == LineName{"pi-lab-1", hex(sha256(line)), false, 0, 0});
}

TEST_CASE("a line's digest is that of what its sender wrote") {
    const auto digest = name(batch)->digest;
    CHECK(hex(digest) == hex(sha256(batch)).substr(0, 32));
    CHECK(name(with_sender(batch, "mqtt pi-lab-1"))->digest == digest);
    CHECK(name(batch + " ")->digest != digest);
}

TEST_CASE("what is no batch has no name") {
    CHECK_FALSE(name("{}"));
    CHECK_FALSE(name("not JSON"));
}

TEST_CASE("a confirmation that was printed is read again") {
    const Confirmation given{
        "pi \"1\"", "r", {{3, 3, digest_of("a")}, {20, 20, digest_of("b")}}, {{18, 19, digest_of("c")}}};
    const std::string text = print_confirmation(given);
    CHECK(text == R"({"device_id":"pi \"1\"","run_id":"r","stored":[[3,")" + hex(digest_of("a")) +
                      R"("],[20,")" + hex(digest_of("b")) + R"("]],"gaps":[[18,19,")" + hex(digest_of("c")) +
                      R"("]]})");
    const auto read = parse_confirmation(text);
    REQUIRE(read);
    CHECK(read->device_id == given.device_id);
    CHECK(read->run_id == given.run_id);
    CHECK(read->batches == given.batches);
    CHECK(read->gaps == given.gaps);
}

TEST_CASE("the longest confirmation is one") {
    constexpr std::uint64_t most = UINT64_MAX;
    Confirmation given{std::string(50, '"'), std::string(64, '\\'), {}, {}};
    for (std::size_t i = 0; i < most_confirmed_lines; ++i) given.gaps.push_back({most, most, digest_of("")});
    const auto read = parse_confirmation(print_confirmation(given));
    REQUIRE(read);
    CHECK(read->gaps == given.gaps);
}

TEST_CASE("a confirmation is sealed for one topic, with one key") {
    const std::string key = "0123456789abcdef", topic = "a/stored/pi";
    const std::string text = print_confirmation({"pi", "r", {{3, 3, digest_of("a")}}, {}});
    const std::string sealed = seal_confirmation(text, topic, key);
    CHECK(sealed == text.substr(0, text.size() - 1) + R"(,"mac":")" +
                        hex(hmac_sha256(key, topic + "\n" + text)) + "\"}");
    CHECK(parse_confirmation(sealed)->batches == parse_confirmation(text)->batches);
    CHECK(is_sealed(sealed, topic, key));
    CHECK_FALSE(is_sealed(sealed, "a/stored/pi-2", key));
    CHECK_FALSE(is_sealed(sealed, topic, "0123456789abcdeF"));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        CHECK_FALSE(is_sealed(sealed.substr(0, i), topic, key));
        std::string changed = sealed;
        changed[i] ^= 1;
        CHECK_FALSE(is_sealed(changed, topic, key));
    }
    for (const auto &other :
         {text, sealed + " ", sealed + sealed, std::string(R"({"mac":"")"), std::string(80, '"')})
        CHECK_FALSE(is_sealed(other, topic, key));
}

TEST_CASE("what is no confirmation is not taken for one") {
    const std::string digest = '"' + hex(digest_of("a")) + '"',
                      upper = R"("00112233445566778899AABBCCDDEEFF")";
    for (const std::string &entry : {std::string("1"), std::string("[1]"), "[-1," + digest + "]",
                                     "[2.5," + digest + "]", "[1,2," + digest + "]", "[" + digest + "]",
                                     "[1," + upper + "]", std::string("[1,7]"), std::string(R"([1,"00"])")})
        CHECK_FALSE(
            parse_confirmation(R"({"device_id":"pi","run_id":"r","stored":[)" + entry + R"(],"gaps":[]})"));
    for (const std::string &text :
         {std::string("{"), std::string("[]"), std::string("7"), std::string(), batch,
          std::string(R"({"device_id":1,"run_id":"r","stored":[],"gaps":[]})"),
          std::string(R"({"device_id":"pi","run_id":"r","gaps":[]})"), std::string(1000, '['),
          std::string(100'000, ' ') + R"({"device_id":"pi","run_id":"r","stored":[],"gaps":[]})"})
        CHECK_FALSE(parse_confirmation(text));
}

TEST_CASE("topics of confirmations are told from others") {
    CHECK(confirmation_topic("tfg/detections/raw", "ab") == "tfg/detections/raw/stored/ab");
    CHECK(confirmation_topic("tfg/detections/raw/ab", "ab") == "tfg/detections/raw/stored/ab");
    CHECK(confirmation_topic("raw/cab", "ab") == "raw/cab/stored/ab");
    CHECK(confirmation_topic("ab", "ab") == "ab/stored/ab");
    CHECK(confirmation_topic("a", "pi/1") == "a/stored/" + hex(sha256("pi/1")));
    CHECK(is_confirmation_topic("tfg/detections/raw/stored/ab"));
    CHECK_FALSE(is_confirmation_topic("tfg/detections/raw"));
    CHECK_FALSE(is_confirmation_topic("tfg/stored/raw/ab"));
    CHECK_FALSE(is_confirmation_topic("tfg/restored/ab"));
    CHECK_FALSE(is_confirmation_topic("raw"));
}
