#include "base/log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace ble {
namespace {

std::string tool_name = "blepipe";
std::atomic<LogLevel> level_now{LogLevel::info};

// sd-daemon(3): JOURNAL_STREAM holds "device:inode" of the stream that leads to the journal.
bool stderr_is_journal() {
    const char *stream = std::getenv("JOURNAL_STREAM");
    struct stat info {};
    if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
    return stream == std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

void write_line(LogLevel priority, std::string_view text) {
    static const bool journal = stderr_is_journal();
    std::string line = journal ? "<" + std::to_string(static_cast<int>(priority)) + ">" : std::string();
    line.append(tool_name).append(": ").append(text).append("\n");
    // A full or closed stderr must not stop the work.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void set_log_name(const std::string &tool) {
    tool_name = tool;
}
void set_log_level(LogLevel level) {
    level_now = level;
}
LogLevel log_level() {
    return level_now;
}

void log(LogLevel level, std::string_view text) {
    if (level <= level_now) write_line(level, text);
}

void log_asked(std::string_view text) {
    write_line(LogLevel::notice, text);
}

std::string printable(std::string_view text) {
    constexpr std::size_t longest = 200;
    std::string out;
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte <= 0x7e) {
            out += c;
        } else {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            out += escaped;
        }
    }
    if (text.size() > longest) out += "...";
    return out;
}

bool Throttle::due(Clock::time_point now) {
    if (armed_ && now - last_ < period_) return false;
    armed_ = true;
    last_ = now;
    return true;
}

}  // namespace ble
