#include "blesub/handover.hpp"

#include "base/limits.hpp"
#include "batch/confirmation.hpp"
#include "batch/message.hpp"

namespace ble {

bool Handover::take(std::string_view topic, std::string_view payload, int stop_fd) {
    if (is_confirmation_topic(topic) && parse_confirmation(payload)) return true;
    std::uint64_t written = 0, position = 0;
    const auto lines = split_message(payload);
    for (const auto &line : lines) {
        ++counters_.in;
        if (line.size() > max_line) {
            rejects_.add(line, "longer than " + std::to_string(max_line) + " bytes");
            ++counters_.rejected;
        } else {
            position = writer_.write_line(line);
            ++written;
        }
    }
    if (writer_.committed() < position && !writer_.wait(position, stop_fd)) {
        failed_ = writer_.gone();
        return false;
    }
    counters_.out += written;
    if (on_safe_) on_safe_(topic, lines);
    return true;
}

}  // namespace ble
