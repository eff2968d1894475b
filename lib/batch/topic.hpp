// MQTT topics with the device_id, or the shard of the device, as one of their levels.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "batch/batch.hpp"

namespace ble {

// Can it be one level of a topic: printable ASCII without '/', '+' and '#'? Of the rest brokers and libraries refuse some.
bool is_topic_level(std::string_view text);
// What stands behind the last '/'.
std::string_view last_level(std::string_view topic);

// Whose a line is; empty: it is no valid line, so nobody knows.
std::string_view device_of(const ParsedLine &parsed);

// Sixteen parts of all devices, about equally many in each, so that several backends can have some of them each: the first hexadecimal
// digit of the SHA-256 of the device_id.
constexpr std::string_view all_shards = "0123456789abcdef";
char shard_of(std::string_view device_id);
// "0-4,a": "01234a", in the order of all_shards, each once. Empty: it is no such list.
std::string parse_shards(std::string_view text);

// The topic that lines are published on: one for all, or one for each device where "{device_id}" stands in it, or for each shard where
// "{shard}" does. One thread.
class TopicPattern {
  public:
    static constexpr std::string_view device = "{device_id}", shard = "{shard}";

    explicit TopicPattern(std::string pattern);

    // The topic of a message, all of whose lines have the same one; the pattern itself when it is one for all. Empty: of no
    // valid line, or of one whose device_id should be a level of the topic and cannot be.
    std::optional<std::string> of(std::string_view message);

  private:
    std::string pattern_;
    bool by_device_, by_shard_;
    BatchParser parser_;
};

}  // namespace ble
