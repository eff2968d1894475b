// Log lines on standard error: "tool: text", with the syslog priority "<3>" to "<7>" before it when standard error is
// the journal. Thread-safe: one write(2) a line.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace ble {

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

void set_log_name(const std::string &tool);
void set_log_level(LogLevel level);  // lines less important than `level` are not written; default info
LogLevel log_level();

void log(LogLevel level, std::string_view text);
// Written at any log level, with the priority of a notice: for what the user asked for.
void log_asked(std::string_view text);
inline void log_error(std::string_view text) {
    log(LogLevel::error, text);
}
inline void log_warning(std::string_view text) {
    log(LogLevel::warning, text);
}
inline void log_info(std::string_view text) {
    log(LogLevel::info, text);
}
inline void log_debug(std::string_view text) {
    log(LogLevel::debug, text);
}

// Text from outside, made safe for a log line: control characters and bytes above 0x7e become \xNN; cut at 200 bytes.
std::string printable(std::string_view text);

// Limits repeated messages: lets the first one through, then at most one in each `period`. Not thread-safe.
class Throttle {
  public:
    using Clock = std::chrono::steady_clock;
    explicit Throttle(Clock::duration period = std::chrono::minutes(1)) : period_(period) {}

    bool due(Clock::time_point now = Clock::now());
    void reset() { armed_ = false; }  // the trouble is over: the next message goes through at once

  private:
    Clock::duration period_;
    Clock::time_point last_{};
    bool armed_ = false;
};

}  // namespace ble
