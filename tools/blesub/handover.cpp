#include "blesub/handover.hpp"

#include "base/limits.hpp"
#include "batch/message.hpp"

namespace ble {

bool Handover::take(std::string_view payload, int stop_fd) {
    std::uint64_t written = 0, position = 0;
    for (const auto &line : split_message(payload)) {
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
    return true;
}

}  // namespace ble
