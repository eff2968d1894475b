#include "batch/json_error.hpp"

#include <nlohmann/json.hpp>

namespace ble {

namespace {

using Json = nlohmann::json;

// Takes nothing in; keeps the place and the text of the first fault.
struct FaultFinder {
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    std::size_t position = 0;
    std::string text;

    bool null() { return true; }
    bool boolean(bool) { return true; }
    bool number_integer(number_integer_t) { return true; }
    bool number_unsigned(number_unsigned_t) { return true; }
    bool number_float(number_float_t, const string_t &) { return true; }
    bool string(string_t &) { return true; }
    bool binary(binary_t &) { return true; }
    bool start_object(std::size_t) { return true; }
    bool key(string_t &) { return true; }
    bool end_object() { return true; }
    bool start_array(std::size_t) { return true; }
    bool end_array() { return true; }
    bool parse_error(std::size_t byte, const std::string &, const nlohmann::detail::exception &fault) {
        position = byte;
        text = fault.what();
        return false;
    }
};

// "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error while …; last read: '…'": the part
// between, without the excerpt of the line.
std::string in_words(const std::string &text) {
    std::size_t begin = text.find("syntax error ");
    begin = begin == std::string::npos ? text.find("] ") + 2 : begin + 13;
    return text.substr(begin, text.find("; last read", begin) - begin);
}

}  // namespace

InvalidLine explain_json_error(std::string_view line, std::string_view otherwise) {
    if (line.find_first_not_of(" \t\r\n") == std::string_view::npos) return {"empty"};
    FaultFinder finder;
    const bool json = Json::sax_parse(line.begin(), line.end(), &finder);
    std::size_t position = finder.position > 0 ? finder.position - 1 : 0;
    std::string reason = json ? "" : in_words(finder.text);
    // A NUL byte ends the text for that parser.
    if (const std::size_t nul = line.find('\0'); nul <= (json ? line.size() - 1 : position)) {
        position = nul;
        reason = "a NUL byte";
    } else if (json) {
        return {"not readable: " + std::string(otherwise)};
    }
    return {"not JSON at byte " + std::to_string(position) + ": " + reason, position};
}

}  // namespace ble
