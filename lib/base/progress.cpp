#include "base/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include "base/log.hpp"

namespace ble {

Progress::Progress()
    : terminal_(::isatty(STDERR_FILENO) == 1 && log_level() >= LogLevel::info),
      next_(Clock::now() + std::chrono::seconds(1)) {}

Progress::~Progress() {
    if (shown_) std::fputs("\r\033[K", stderr);
}

bool Progress::due() {
    return terminal_ && Clock::now() >= next_;
}

void Progress::update(const std::string &text) {
    shown_ = true;
    next_ = Clock::now() + std::chrono::milliseconds(100);
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
}

}  // namespace ble
