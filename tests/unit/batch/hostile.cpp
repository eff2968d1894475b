// What no honest tool sends: the answer is a reason, never a crash.
#include <random>

#include "base/limits.hpp"
#include "batch/event.hpp"
#include "batch/message.hpp"
#include "batch/subscribe.hpp"
#include "catch.hpp"
#include "samples.hpp"

using namespace ble;

namespace {

InvalidLine invalid(const std::string &line) {
    return std::get<InvalidLine>(parse(line));
}

const std::string good =
    batch_line(detection(hash_a, "-67", R"(,"local_name":"Küche \ud83d\ude00","count":3)"),
               R"(,"run_id":"r","seq":1,"name":"Lab")");

}  // namespace

TEST_CASE("a line cut at any byte is refused, with the place") {
    REQUIRE(refusal(good).empty());
    for (std::size_t size = 1; size < good.size(); ++size) {
        const InvalidLine cut = invalid(good.substr(0, size));
        INFO(size << ": " << cut.reason);
        CHECK(cut.reason.find("not JSON at byte ") == 0);
        CHECK(cut.position <= size);
        // The bytes behind a line are not its own.
        BatchParser parser;
        CHECK(std::holds_alternative<InvalidLine>(parser.parse(std::string_view(good).substr(0, size))));
    }
}

TEST_CASE("a line with any byte replaced is answered") {
    std::mt19937 random(20261122);
    EventReader reader;
    const Subscription filter = std::get<Subscription>(parse_subscribe(R"({"subscribe":{"rssi_min":-70}})"));
    for (int round = 0; round < 20000; ++round) {
        std::string line = good;
        for (int n = static_cast<int>(random() % 3); n >= 0; --n)
            line[random() % line.size()] = static_cast<char>(random());
        parse(line);
        split_message(line);
        parse_subscribe(line);
        const std::string event = detection_event(line);
        if (const auto view = reader.read(event)) filter.apply(*view);
    }
}

TEST_CASE("nesting is bounded") {
    const auto nested = [](int depth) {
        return batch_line("", ",\"x\":" + std::string(static_cast<std::size_t>(depth), '[') +
                                  std::string(static_cast<std::size_t>(depth), ']'));
    };
    CHECK(refusal(nested(15)).empty());
    CHECK(refusal(nested(16)) == "nested deeper than 16 levels");
    CHECK(refusal(nested(200000)) == "nested deeper than 16 levels");
    CHECK_FALSE(refusal(std::string(max_line, '[')).empty());
    CHECK_FALSE(refusal(std::string(max_line, '{')).empty());
    CHECK(std::holds_alternative<std::string>(parse_subscribe(std::string(60000, '['))));
    EventReader reader;
    CHECK_FALSE(reader.read(R"({"type":"x","data":)" + std::string(400000, '[')));
    reader.read(R"({"type":"x","data":)" + std::string(200000, '[') + std::string(200000, ']') + "}");
}

TEST_CASE("numbers beyond what can be held are refused") {
    CHECK(refusal(batch_line("", ",\"x\":123456789012345678901234567890")).find("not readable: ") == 0);
    CHECK(refusal(batch_line("", ",\"x\":1e999")).find("not JSON at byte ") == 0);
    CHECK(refusal(batch_line("", ",\"x\":" + std::string(100000, '9'))).find("not ") == 0);
    CHECK(refusal(batch_line("", ",\"window_ms\":4294967296")) == "window_ms: not in 0 to 4294967295");
    CHECK(refusal(batch_line("", ",\"run_id\":\"r\",\"seq\":9007199254740992")) ==
          "seq: not in 0 to 9007199254740991");
}

TEST_CASE("NUL bytes are refused where they stand") {
    for (const std::size_t at : {std::size_t{0}, std::size_t{5}, good.size() - 1, good.size()}) {
        std::string line = good;
        line.insert(at, 1, '\0');
        const InvalidLine with_nul = invalid(line);
        INFO(with_nul.reason);
        CHECK(with_nul.position == at);
    }
}

TEST_CASE("bytes that are no UTF-8 are refused") {
    for (const char *bytes : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
        CHECK(invalid(batch_line("", std::string(",\"name\":\"x") + bytes + "\""))
                  .reason.find("not JSON at byte") == 0);
    }
    CHECK_FALSE(refusal(batch_line("", R"(,"name":"\ud800")")).empty());
    CHECK_FALSE(refusal(batch_line("", R"(,"name":"\udc00")")).empty());
}

TEST_CASE("a line of the greatest length is read") {
    std::string line = batch_line("", ",\"x\":\"\"");
    line.insert(line.find("\"\"") + 1, max_line - line.size(), 'x');
    REQUIRE(line.size() == max_line);
    CHECK(refusal(line).empty());
    EventReader reader;
    CHECK(reader.read(detection_event(line)));
    CHECK(refusal(std::string(max_line, ' ')) == "empty");

    std::string many;
    while (many.size() < max_line - 400) many += (many.empty() ? "" : ",") + detection(hash_a, "-67");
    CHECK(parse_good(batch_line(many)).batch.detections.size() > 3000);
}
