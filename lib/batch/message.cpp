#include "batch/message.hpp"

namespace ble {

namespace {

constexpr std::string_view breaks = "\r\n";
constexpr std::string_view blanks = " \t\r\n";

void add(std::vector<std::string> &lines, std::string &line) {
    if (line.find_first_not_of(blanks) != std::string::npos) lines.push_back(std::move(line));
    line.clear();
}

}  // namespace

std::vector<std::string> split_message(std::string_view payload) {
    std::vector<std::string> lines;
    std::string line;
    std::size_t start = 0;  // of what is not yet in a line
    for (std::size_t at; (at = payload.find_first_of(breaks, start)) != std::string_view::npos;) {
        // The whole run of white space around the break: [begin, end).
        std::size_t begin = payload.find_last_not_of(blanks, at);
        begin = begin == std::string_view::npos ? 0 : begin + 1;
        if (begin < start) begin = start;
        std::size_t end = payload.find_first_not_of(blanks, at);
        if (end == std::string_view::npos) end = payload.size();
        const std::string_view run = payload.substr(begin, end - begin);

        line.append(payload, start, begin - start);
        const bool between =
            !line.empty() && line.back() == '}' && end < payload.size() && payload[end] == '{';
        if (between && run.find('\n') != std::string_view::npos) {
            add(lines, line);
        } else if (!line.empty() && end < payload.size()) {
            for (const char byte : run) line += byte == '\t' ? '\t' : ' ';
        }
        start = end;
    }
    line.append(payload, start);
    add(lines, line);
    return lines;
}

}  // namespace ble
