// A progress line on standard error: only when it is a terminal, only for work that takes longer than a second, at most
// ten times a second, erased at the end.
#pragma once

#include <chrono>
#include <string>

namespace ble {

class Progress {
  public:
    Progress();
    ~Progress();
    bool due();  // is it time for update()?
    void update(const std::string &text);

  private:
    using Clock = std::chrono::steady_clock;
    bool terminal_;
    bool shown_ = false;
    Clock::time_point next_;
};

}  // namespace ble
