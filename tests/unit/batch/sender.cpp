#include "batch/sender.hpp"

#include "base/limits.hpp"
#include "catch.hpp"

using namespace ble;

namespace {

const std::string line = R"({"device_id":"pi-1","detections":[],"note":"\",\"sender\":\"x"})";

}  // namespace

TEST_CASE("a receiver's word stands behind the line and comes off again, byte for byte") {
    for (const std::string blanks : {"", " ", " \t\r"}) {
        const std::string said = with_sender(line + blanks, "key pi-1");
        CHECK(said.ends_with(",\"sender\":\"key pi-1\"}" + blanks));
        CHECK(without_sender(said) == line + blanks);
        CHECK(content_digest(said) == content_digest(line + blanks));
        BatchParser parser;
        const auto parsed = parser.parse(said);
        REQUIRE(has_sender(parsed));
        CHECK_FALSE(has_sender(parser.parse(line)));
        CHECK(std::get<ParsedBatch>(parsed).batch.sender == "key pi-1");
    }
}

TEST_CASE("a name of a sender cannot leave its string or grow without bound") {
    const std::string said = with_sender(line, "a\",\"b\":\"\\\n\xc2\x85" + std::string(500, 'n'));
    CHECK(without_sender(said) == line);
    CHECK(said.size() <= line.size() + sender_room);
    BatchParser parser;
    const auto parsed = parser.parse(said);
    REQUIRE(std::holds_alternative<ParsedBatch>(parsed));
    CHECK(
        std::get<ParsedBatch>(parsed).batch.sender->starts_with("a?,?b?:????"
                                                                "?nnn"));
}

TEST_CASE("what only looks like a receiver's word is the sender's own text") {
    for (const std::string own : {
             R"({"device_id":"pi-1","detections":[],"inner":{"a":1,"sender":"x"}})",
             R"({"device_id":"pi-1","detections":[],"sender":"a\"b"})",
             R"({"device_id":"pi-1","detections":[],"sender": "x"})",
             R"({"device_id":"pi-1","detections":[],"note":",\"sender\":\"x"})",
             R"(,"sender":")",
             R"("sender":"x"})",
             "",
             " ",
         })
        CHECK(without_sender(own) == own);
}

TEST_CASE("a line of the greatest length is still one behind a receiver, a longer one is not") {
    BatchParser parser;
    const std::string head = R"({"device_id":"pi-1","detections":[],"pad":")";
    const auto of_length = [&](std::size_t length) {
        return head + std::string(length - head.size() - 2, 'x') + "\"}";
    };
    CHECK(std::holds_alternative<ParsedBatch>(parser.parse(of_length(max_line))));
    CHECK(std::holds_alternative<ParsedBatch>(
        parser.parse(with_sender(of_length(max_line), std::string(128, 's')))));
    CHECK(std::holds_alternative<InvalidLine>(parser.parse(of_length(max_line + 1))));
    CHECK(std::holds_alternative<InvalidLine>(parser.parse(with_sender(of_length(max_line + 1), "s"))));
    // Room for what a database adds is for nothing else.
    BatchParser archives(BatchParser::Takes::archives);
    CHECK(std::holds_alternative<InvalidLine>(archives.parse(of_length(max_line + 1))));
    CHECK(std::holds_alternative<InvalidLine>(archives.parse(with_sender(of_length(max_line + 1), "s"))));
}

TEST_CASE("gap lines have a sender too, and one that is none is refused") {
    BatchParser parser;
    const std::string gap =
        R"({"device_id":"pi-1","run_id":"r","gap":{"from_seq":1,"to_seq":2,"reason":"refused"}})";
    const auto parsed = parser.parse(with_sender(gap, "mqtt pi-1"));
    REQUIRE(std::holds_alternative<Gap>(parsed));
    CHECK(std::get<Gap>(parsed).sender == "mqtt pi-1");
    CHECK(std::holds_alternative<InvalidLine>(
        parser.parse(R"({"device_id":"pi-1","detections":[],"sender":7})")));
    CHECK(std::holds_alternative<InvalidLine>(
        parser.parse(R"({"device_id":"pi-1","detections":[],"sender":""})")));
}
