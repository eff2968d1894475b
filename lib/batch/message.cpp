#include "batch/message.hpp"

#include <algorithm>

namespace ble {

namespace {

constexpr std::string_view blanks = " \t\r\n";

void add(std::vector<std::string> &lines, std::string &line) {
    if (line.find_first_not_of(blanks) != std::string::npos) lines.push_back(std::move(line));
    line.clear();
}

// The CR or LF at or behind a place. Each is looked for by itself, which is many times as fast as both at once, and where it was found
// is remembered: however many there are, all bytes are looked at twice.
class Breaks {
  public:
    explicit Breaks(std::string_view text) : text_(text), cr_(text.find('\r')), lf_(text.find('\n')) {}

    std::size_t from(std::size_t place) {
        if (cr_ < place) cr_ = text_.find('\r', place);
        if (lf_ < place) lf_ = text_.find('\n', place);
        return std::min(cr_, lf_);
    }

  private:
    std::string_view text_;
    std::size_t cr_, lf_;
};

}  // namespace

std::vector<std::string> split_message(std::string_view payload) {
    std::vector<std::string> lines;
    std::string line;
    std::size_t start = 0;  // of what is not yet in a line
    Breaks breaks(payload);
    for (std::size_t at; (at = breaks.from(start)) != std::string_view::npos;) {
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
