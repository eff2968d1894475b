#include "batch/message.hpp"

#include "catch.hpp"

using ble::split_message;
using Lines = std::vector<std::string>;

TEST_CASE("a message without a line feed is its own line, byte for byte") {
    CHECK(split_message("{\"a\": 1} ") == Lines{"{\"a\": 1} "});
    CHECK(split_message(std::string("\0\xff", 2)) == Lines{std::string("\0\xff", 2)});
    CHECK(split_message("").empty());
    CHECK(split_message(" \t").empty());
}

TEST_CASE("a line feed between } and { separates batches") {
    CHECK(split_message("{1}\n{2}\n{3}") == Lines{"{1}", "{2}", "{3}"});
    CHECK(split_message("{1} \r\n \n\t{2}\n") == Lines{"{1}", "{2}"});
    CHECK(split_message("{1}\r\n{2}\r\n") == Lines{"{1}", "{2}"});
}

TEST_CASE("any other line feed or carriage return becomes a blank") {
    CHECK(split_message("{\n\t\"a\":\r\n1\n}") == Lines{"{ \t\"a\":  1 }"});
    CHECK(split_message("{1}\r{2}") == Lines{"{1} {2}"});
    CHECK(split_message("}\n[") == Lines{"} ["});
    CHECK(split_message("x\ny") == Lines{"x y"});
}

TEST_CASE("line feeds at either end leave no trace, so that the same batch stays the same line") {
    CHECK(split_message("{1}\n") == Lines{"{1}"});
    CHECK(split_message("\r\n{1}\n\n") == Lines{"{1}"});
    CHECK(split_message("\n\r\n").empty());
}

TEST_CASE("long white space costs no more than its length") {
    const std::string blank(400000, '\n');
    CHECK(split_message("{1}" + blank + "{2}").size() == 2);
    CHECK(split_message("x" + blank + "x").size() == 1);
    std::string alternating;
    for (int i = 0; i < 100000; ++i) alternating += " \n\r ";
    CHECK(split_message("{1}" + alternating + "x").size() == 1);
}
