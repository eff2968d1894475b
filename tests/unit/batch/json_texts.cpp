// What is JSON (RFC 8259) and what is not: texts of each kind, made here, as a member of a line and as an event. The two readers
// must agree on every one.
#include <functional>

#include "batch/event.hpp"
#include "batch/subscribe.hpp"
#include "catch.hpp"
#include "samples.hpp"

using namespace ble;

namespace {

using Texts = std::vector<std::string>;

void append(Texts &all, const Texts &more) {
    all.insert(all.end(), more.begin(), more.end());
}

std::string repeat(const std::string &text, int times) {
    std::string out;
    for (; times > 0; --times) out += text;
    return out;
}

std::string in_quotes(const std::string &text) {
    return '"' + text + '"';
}

// -? int frac? exp?, each part in each form.
Texts good_numbers() {
    Texts out;
    for (const std::string sign : {"", "-"})
        for (const std::string whole : {"0", "1", "9", "10", "4294967296", "9007199254740991"})
            for (const std::string part : {"", ".0", ".5", ".000", ".123456789"})
                for (const std::string power : {"", "e0", "E1", "e+2", "E-3", "e00"})
                    out.push_back(sign + whole + part + power);
    append(out, {"9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e-400", "1e308",
                 "123.456e78"});
    return out;
}

Texts bad_numbers() {
    Texts out;
    for (const std::string sign : {"", "-"})
        for (const std::string number :
             {"00",    "01",    "0x10",  "1.",    ".5",  "1.e1",  "1e",       "1e+", "1e-", "1E",
              "1.5.5", "1e5.5", "1e5e5", "1_000", "1,5", "NaN",   "Infinity", "inf", "1f",  "0b1",
              "1 2",   "1-",    "1+1",   "e1",    "0e",  "1e400", "1.0e999",  "--1"})
            out.push_back(sign + number);
    append(out, {"+1", "-", "+", ".", "- 1", "-a", "\xef\xbc\x91", "99999999999999999999999999"});
    return out;
}

Texts good_strings() {
    Texts out{"",
              " ",
              "a",
              "/",
              "'",
              "\x7f",
              "\xc2\x80",
              "\xdf\xbf",
              "\xe0\xa0\x80",
              "\xed\x9f\xbf",
              "\xee\x80\x80",
              "\xef\xbf\xbf",
              "\xf0\x90\x80\x80",
              "\xf4\x8f\xbf\xbf",
              "\xe2\x80\xa8",
              "[{",
              "\\\\\\\""};
    for (const char c : std::string("\"\\/bfnrt")) out.push_back(std::string("\\") + c);
    for (const char *unit : {"0000", "001f", "0022", "005C", "007f", "0085", "d7ff", "E000", "ffff", "FFFE"})
        out.push_back(std::string("\\u") + unit);
    for (const char *high : {"d800", "DBFF"})
        for (const char *low : {"dc00", "DFFF"}) out.push_back(std::string("\\u") + high + "\\u" + low);
    for (auto &text : out) text = in_quotes(text);
    return out;
}

Texts bad_strings() {
    Texts out;
    for (char c = 0; c < 0x20; ++c) out.push_back({'x', c, 'x'});  // to be escaped, NUL among them
    for (int c = 0x21; c < 0x7f; ++c)
        if (std::string("\"\\/bfnrtu").find(static_cast<char>(c)) == std::string::npos)
            out.push_back(std::string("\\") + static_cast<char>(c));
    append(out,
           {"\\", "\\u", "\\u1", "\\u12", "\\u123", "\\u12g4", "\\u 123", "\\U0041", "\\x41", "\\u+123"});
    for (const char *alone : {"\\ud800", "\\udbff", "\\udc00", "\\udfff"})
        for (const char *behind : {"", "x", "\\n", "\\u0041", "\\ud800"})
            out.push_back(std::string(alone) + behind);
    // No UTF-8: continuation alone, cut short, overlong, surrogates, too high.
    append(out, {"\x80",
                 "\xbf",
                 "\xc2",
                 "\xc2x",
                 "\xe2\x82",
                 "\xe2\x82x",
                 "\xf0\x9f\x98",
                 "\xc0\x80",
                 "\xc1\xbf",
                 "\xe0\x80\x80",
                 "\xe0\x9f\xbf",
                 "\xf0\x80\x80\x80",
                 "\xf0\x8f\xbf\xbf",
                 "\xed\xa0\x80",
                 "\xed\xbf\xbf",
                 "\xf4\x90\x80\x80",
                 "\xf5\x80\x80\x80",
                 "\xf8\x88\x80\x80\x80",
                 "\xfe",
                 "\xff",
                 "\xff\xfe"});
    for (auto &text : out) text = in_quotes(text);
    append(out, {"'a'", "\"a", "a\"", "\"a\"b\"", "\"a\" \"b\"", "a", "\xef\xbb\xbf\"a\""});
    return out;
}

const Texts blanks{"", " ", "\t", "\r", " \t\r "};

Texts good_values() {
    Texts out = good_numbers();
    append(out, good_strings());
    append(out,
           {"null", "true", "false", "[]", "{}", "[[]]", "[{}]", R"({"a":{}})", "[1,\"a\",null,{\"b\":[]}]"});
    for (int depth = 1; depth <= 12; ++depth) {  // a detection stands three levels deep
        out.push_back(repeat("[", depth) + repeat("]", depth));
        out.push_back(repeat(R"({"a":)", depth) + "1" + repeat("}", depth));
    }
    for (const auto &blank : blanks) {
        append(out, {"[" + blank + "]", "{" + blank + "}",
                     "[" + blank + "1" + blank + "," + blank + "2" + blank + "]",
                     "{" + blank + "\"a\"" + blank + ":" + blank + "1" + blank + "," + blank + "\"b\":2}"});
    }
    return out;
}

Texts bad_values() {
    Texts out = bad_numbers();
    append(out, bad_strings());
    append(out, {"",
                 " ",
                 "nul",
                 "nulll",
                 "Null",
                 "NULL",
                 "True",
                 "tru",
                 "truee",
                 "fals",
                 "undefined",
                 "None",
                 "*",
                 "?",
                 "[",
                 "]",
                 "{",
                 "}",
                 "[}",
                 "{]",
                 "[[]",
                 "[]]",
                 "{}}",
                 "[1",
                 "[1,",
                 "[1,]",
                 "[,1]",
                 "[,]",
                 "[1,,2]",
                 "[1 2]",
                 "[1:2]",
                 "[\"a\":1]",
                 "[1}",
                 "{\"a\"}",
                 "{\"a\":}",
                 "{\"a\":1,}",
                 "{,\"a\":1}",
                 "{\"a\":1,,\"b\":2}",
                 "{\"a\" 1}",
                 "{\"a\"::1}",
                 "{a:1}",
                 "{1:1}",
                 "{null:1}",
                 "{'a':1}",
                 "{\"a\":1 \"b\":2}",
                 "{\"a\":1,\"b\"}",
                 "{\"a\",1}",
                 "{[]:1}",
                 "1 //x",
                 "/**/1",
                 "1/**/",
                 "#1",
                 "[1]x",
                 "{}[]",
                 "1,",
                 ":1",
                 "\\u0031"});
    for (const std::string &space :
         Texts{"\v", "\f", "\xc2\xa0", "\xe2\x80\x83", "\xef\xbb\xbf", std::string(1, '\0')}) {
        out.push_back("[" + space + "]");
        out.push_back("1" + space);
    }
    for (const int depth : {16, 17, 100}) {
        out.push_back(repeat("[", depth) + repeat("]", depth));
        out.push_back(repeat(R"({"a":)", depth) + "1" + repeat("}", depth));
    }
    // Each good structure, cut at each of its bytes.
    for (const std::string whole : {R"({"a":[1,"b\n",{"c":null}],"d":true})", R"([[[{"a":"b"}]]])"})
        for (std::size_t size = 1; size < whole.size(); ++size) out.push_back(whole.substr(0, size));
    return out;
}

// In the line, in one of its detections, and as the name of a member where the text is a string.
Texts lines_with(const std::string &text) {
    Texts lines{batch_line("", ",\"x\":" + text), batch_line(detection(hash_a, "-67", ",\"x\":" + text)),
                R"({"x":)" + text + R"(,"device_id":"pi-lab-1","detections":[]})"};
    if (text.size() > 2 && text.front() == '"' && text.back() == '"')
        lines.push_back(batch_line("", "," + text + ":1"));
    return lines;
}

}  // namespace

TEST_CASE("what is JSON is taken by both readers") {
    EventReader reader;
    int count = 0;
    for (const auto &text : good_values())
        for (const auto &line : lines_with(text)) {
            INFO(line);
            CHECK(refusal(line).empty());
            CHECK(reader.read(detection_event(line)));
            ++count;
        }
    CHECK(count > 1000);
}

TEST_CASE("what is no JSON is taken by neither") {
    EventReader reader;
    int count = 0;
    for (const auto &text : bad_values())
        for (const auto &line : lines_with(text)) {
            INFO(line);
            CHECK_FALSE(refusal(line).empty());
            CHECK_FALSE(reader.read(detection_event(line)));
            ++count;
        }
    CHECK(count > 800);
}

TEST_CASE("white space may be around a line, and nothing else") {
    EventReader reader;
    const std::string line = batch_line("");
    for (const auto &blank : blanks) {
        CHECK(refusal(blank + line + blank).empty());
        CHECK(reader.read(blank + detection_event(blank + line + blank) + blank));
    }
    for (const std::string &more : {std::string("x"), std::string("{}"), std::string(","), line,
                                    std::string("\xef\xbb\xbf"), std::string("\f"), std::string(1, '\0')}) {
        INFO(more);
        CHECK_FALSE(refusal(more + line).empty());
        CHECK_FALSE(refusal(line + more).empty());
        CHECK_FALSE(reader.read(more + detection_event(line)));
        CHECK_FALSE(reader.read(detection_event(line) + more));
        CHECK_FALSE(reader.read(detection_event(line + more)));
    }
}
