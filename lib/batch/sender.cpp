#include "batch/sender.hpp"

#include <algorithm>

namespace ble {
namespace {

constexpr std::string_view member = ",\"sender\":\"", end = "\"}", blanks = " \t\r";
constexpr std::size_t longest = 128;

bool stands_for_itself(char c) {
    return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

// Behind the last brace, where a line may have blanks.
std::size_t end_of_object(std::string_view line) {
    const std::size_t last = line.find_last_not_of(blanks);
    return last == std::string_view::npos ? 0 : last + 1;
}

// Where the sender's own text ends; npos: no receiver has said anything. In valid JSON these bytes are a member of the outermost
// object: within a string the quotes would be escaped, and behind an inner object more than one brace would follow.
std::size_t end_of_own(std::string_view object) {
    if (!object.ends_with(end)) return std::string_view::npos;
    const std::size_t at = object.rfind(member);
    if (at == std::string_view::npos || at + member.size() + end.size() > object.size())
        return std::string_view::npos;
    const auto value = object.substr(at + member.size(), object.size() - end.size() - at - member.size());
    const bool ours = value.size() <= longest && std::all_of(value.begin(), value.end(), stands_for_itself);
    return ours ? at : std::string_view::npos;
}

}  // namespace

std::string with_sender(std::string_view line, std::string_view sender) {
    const std::size_t behind = end_of_object(line);
    std::string out(line.substr(0, behind - 1));
    out += member;
    for (const char c : sender.substr(0, longest)) out += stands_for_itself(c) ? c : '?';
    return out.append(end).append(line.substr(behind));
}

bool has_sender(const ParsedLine &parsed) {
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) return batch->batch.sender.has_value();
    const auto *gap = std::get_if<Gap>(&parsed);
    return gap != nullptr && gap->sender.has_value();
}

std::string without_sender(std::string_view line) {
    const std::size_t behind = end_of_object(line);
    const std::size_t at = end_of_own(line.substr(0, behind));
    if (at == std::string_view::npos) return std::string(line);
    return std::string(line.substr(0, at)).append("}").append(line.substr(behind));
}

Sha256 content_digest(std::string_view line) {
    const std::string_view object = line.substr(0, end_of_object(line));
    return sha256(end_of_own(object) == std::string_view::npos ? line : without_sender(line));
}

}  // namespace ble
