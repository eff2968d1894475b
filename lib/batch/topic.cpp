#include "batch/topic.hpp"

#include <algorithm>
#include <utility>

#include "base/digest.hpp"

namespace ble {
namespace {

void put(std::string &pattern, std::string_view name, std::string_view value) {
    pattern.replace(pattern.find(name), name.size(), value);
}

}  // namespace

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

char shard_of(std::string_view device_id) {
    return all_shards[sha256(device_id).front() >> 4];
}

std::string parse_shards(std::string_view text) {
    std::string chosen(all_shards.size(), ' ');
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        const auto item = text.substr(0, comma);
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
        const bool range = item.size() == 3 && item[1] == '-';
        if (item.size() != 1 && !range) return {};
        const auto first = all_shards.find(item.front()), last = all_shards.find(item.back());
        if (first == std::string_view::npos || last == std::string_view::npos || first > last) return {};
        for (auto i = first; i <= last; ++i) chosen[i] = all_shards[i];
    }
    std::erase(chosen, ' ');
    return chosen;
}

TopicPattern::TopicPattern(std::string pattern)
    : pattern_(std::move(pattern)),
      by_device_(pattern_.find(device) != std::string::npos),
      by_shard_(pattern_.find(shard) != std::string::npos) {}

std::optional<std::string> TopicPattern::of(std::string_view message) {
    if (!by_device_ && !by_shard_) return pattern_;
    const ParsedLine parsed = parser_.parse(message.substr(0, message.find('\n')));
    const auto whose = device_of(parsed);
    if (by_device_ ? !is_topic_level(whose) : whose.empty()) return {};
    std::string topic = pattern_;
    if (by_shard_) put(topic, shard, std::string(1, shard_of(whose)));
    if (by_device_) put(topic, device, whose);
    return topic;
}

}  // namespace ble
