#include "batch/topic.hpp"

#include <algorithm>
#include <utility>

namespace ble {

bool is_topic_level(std::string_view text) {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
        return c == '/' || c == '+' || c == '#' || c < 0x20 || c > 0x7e;
    });
}

std::string_view last_level(std::string_view topic) {
    return topic.substr(topic.rfind('/') + 1);
}

std::string_view device_of(const ParsedLine &parsed) {
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed)) return batch->batch.device_id;
    const auto *gap = std::get_if<Gap>(&parsed);
    return gap == nullptr ? std::string_view() : gap->device_id;
}

TopicPattern::TopicPattern(std::string pattern)
    : pattern_(std::move(pattern)), place_(pattern_.find(device)) {}

std::optional<std::string> TopicPattern::of(std::string_view message) {
    if (place_ == std::string::npos) return pattern_;
    const ParsedLine parsed = parser_.parse(message.substr(0, message.find('\n')));
    const auto whose = device_of(parsed);
    if (!is_topic_level(whose)) return {};
    return std::string(pattern_).replace(place_, device.size(), whose);
}

}  // namespace ble
