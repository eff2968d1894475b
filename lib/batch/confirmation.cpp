#include "batch/confirmation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "batch/json_text.hpp"

namespace ble {
namespace {

using Json = nlohmann::json;

constexpr std::size_t longest = 64 * 1024;
constexpr std::string_view level = "/stored/";

// Of what is not ASCII, brokers and libraries refuse some: control characters, and what is no character.
bool fits_into_topic(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return c == '/' || c == '+' || c == '#' || c < 0x20 || c > 0x7e; });
}

void append_ranges(std::string &out, const Confirmation::Ranges &ranges) {
    for (const auto &[from, to] : ranges) {
        if (out.back() == ']') out += ',';
        out.append("[").append(std::to_string(from)).append(",").append(std::to_string(to)).append("]");
    }
}

bool read_ranges(const Json &list, Confirmation::Ranges &ranges) {
    if (!list.is_array()) return false;
    for (const Json &range : list) {
        if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() ||
            !range[1].is_number_unsigned())
            return false;
        ranges.emplace_back(range[0].get<std::uint64_t>(), range[1].get<std::uint64_t>());
    }
    return true;
}

}  // namespace

std::optional<LineName> name_line(BatchParser &parser, std::string_view line) {
    const ParsedLine parsed = parser.parse(line);
    if (const auto *gap = std::get_if<Gap>(&parsed)) {
        if (fits_into_topic(gap->run_id))
            return LineName{gap->device_id, gap->run_id, true, gap->from_seq, gap->to_seq};
        return LineName{gap->device_id, hex(sha256(line)), true, 0, 0};
    }
    const auto *batch = std::get_if<ParsedBatch>(&parsed);
    if (batch == nullptr) return {};
    const auto &position = batch->batch.position;
    if (position && fits_into_topic(position->run_id))
        return LineName{batch->batch.device_id, position->run_id, false, position->seq, position->seq};
    return LineName{batch->batch.device_id, hex(sha256(line)), false, 0, 0};
}

std::string print_confirmation(const Confirmation &confirmation) {
    std::string out = "{\"device_id\":";
    append_json_string(out, confirmation.device_id);
    out += ",\"run_id\":";
    append_json_string(out, confirmation.run_id);
    out += ",\"stored\":[";
    append_ranges(out, confirmation.batches);
    out += "],\"gaps\":[";
    append_ranges(out, confirmation.gaps);
    return out + "]}";
}

std::optional<Confirmation> parse_confirmation(std::string_view text) {
    if (text.size() > longest) return {};
    const auto shallow = [](int depth, Json::parse_event_t, Json &) { return depth <= 4; };
    const Json json = Json::parse(text.begin(), text.end(), shallow, false);
    if (!json.is_object()) return {};
    const auto member = [&](const char *name) -> const Json & {
        static const Json absent;
        const auto found = json.find(name);
        return found == json.end() ? absent : *found;
    };
    const Json &device_id = member("device_id"), &run_id = member("run_id");
    Confirmation out;
    if (!device_id.is_string() || !run_id.is_string() || !read_ranges(member("stored"), out.batches) ||
        !read_ranges(member("gaps"), out.gaps))
        return {};
    out.device_id = device_id.get<std::string>();
    out.run_id = run_id.get<std::string>();
    return out;
}

std::string confirmation_topic(std::string_view topic, std::string_view run_id) {
    return std::string(topic).append(level).append(run_id);
}

bool is_confirmation_topic(std::string_view topic) {
    const auto last = topic.rfind('/');
    return last != std::string_view::npos && topic.substr(0, last + 1).ends_with(level);
}

}  // namespace ble
