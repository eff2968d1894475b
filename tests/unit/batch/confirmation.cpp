#include "batch/confirmation.hpp"

#include "base/digest.hpp"
#include "catch.hpp"

using namespace ble;

namespace {

const std::string batch = R"({"device_id":"pi-lab-1","run_id":"9f2c41d07a6be813","seq":412,"detections":[]})";

}  // namespace

TEST_CASE("a batch is named by its run and seq, a gap line by its range") {
    BatchParser parser;
    CHECK(name_line(parser, batch) == LineName{"pi-lab-1", "9f2c41d07a6be813", false, 412, 412});
    CHECK(name_line(parser, print_gap({"pi-lab-1", "9f2c41d07a6be813", 3, 9, "buffer_full"})) ==
          LineName{"pi-lab-1", "9f2c41d07a6be813", true, 3, 9});
}

TEST_CASE("a batch that no topic can name is named by its line") {
    BatchParser parser;
    for (const std::string line : {R"({"device_id":"pi-lab-1","detections":[]})",
                                   R"({"device_id":"pi-lab-1","run_id":"a/b","seq":1,"detections":[]})",
                                   R"({"device_id":"pi-lab-1","run_id":"#","seq":1,"detections":[]})",
                                   R"({"device_id":"pi-lab-1","run_id":"a\u0085","seq":1,"detections":[]})",
                                   R"({"device_id":"pi-lab-1","run_id":"\ufffe","seq":1,"detections":[]})"})
        CHECK(name_line(parser, line) == LineName{"pi-lab-1", hex(sha256(line)), false, 0, 0});
}

TEST_CASE("what is no batch has no name") {
    BatchParser parser;
    CHECK_FALSE(name_line(parser, "{}"));
    CHECK_FALSE(name_line(parser, "not JSON"));
}

TEST_CASE("a confirmation that was printed is read again") {
    const Confirmation given{"pi \"1\"", "r", {{3, 17}, {20, 20}}, {{18, 19}}};
    const std::string text = print_confirmation(given);
    CHECK(text == R"({"device_id":"pi \"1\"","run_id":"r","stored":[[3,17],[20,20]],"gaps":[[18,19]]})");
    const auto read = parse_confirmation(text);
    REQUIRE(read);
    CHECK(read->device_id == given.device_id);
    CHECK(read->run_id == given.run_id);
    CHECK(read->batches == given.batches);
    CHECK(read->gaps == given.gaps);
}

TEST_CASE("what is no confirmation is not taken for one") {
    for (const std::string &text :
         {std::string("{"), std::string("[]"), std::string("7"), std::string(), batch,
          std::string(R"({"device_id":"pi","run_id":"r","stored":[[1]],"gaps":[]})"),
          std::string(R"({"device_id":"pi","run_id":"r","stored":[[1,-2]],"gaps":[]})"),
          std::string(R"({"device_id":"pi","run_id":"r","stored":[[1,2.5]],"gaps":[]})"),
          std::string(R"({"device_id":1,"run_id":"r","stored":[],"gaps":[]})"),
          std::string(R"({"device_id":"pi","run_id":"r","gaps":[]})"), std::string(1000, '['),
          std::string(100'000, ' ') + R"({"device_id":"pi","run_id":"r","stored":[],"gaps":[]})"})
        CHECK_FALSE(parse_confirmation(text));
}

TEST_CASE("topics of confirmations are told from others") {
    CHECK(confirmation_topic("tfg/detections/raw", "ab") == "tfg/detections/raw/stored/ab");
    CHECK(is_confirmation_topic("tfg/detections/raw/stored/ab"));
    CHECK_FALSE(is_confirmation_topic("tfg/detections/raw"));
    CHECK_FALSE(is_confirmation_topic("tfg/stored/raw/ab"));
    CHECK_FALSE(is_confirmation_topic("tfg/restored/ab"));
    CHECK_FALSE(is_confirmation_topic("raw"));
}
