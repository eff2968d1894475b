// Topics of MQTT that say whose the lines on them are: the device_id is one of their levels.
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

// The topic that lines are published on: one for all, or one for each device where "{device_id}" stands in it. One thread.
class TopicPattern {
  public:
    static constexpr std::string_view device = "{device_id}";

    explicit TopicPattern(std::string pattern);

    // The topic of a message, all of whose lines are of one device; the pattern itself when it is one for all. Empty: of no
    // valid line, or of one whose device_id cannot be a level of a topic.
    std::optional<std::string> of(std::string_view message);

  private:
    std::string pattern_;
    std::size_t place_;  // of "{device_id}"; npos: one topic for all
    BatchParser parser_;
};

}  // namespace ble
