// GET /state: the latest event of each device in few bytes, for a page behind a thin line. Made at most once a second, however many ask.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "batch/event_brief.hpp"
#include "server/feed.hpp"

namespace ble {

class BriefState {
  public:
    using Clock = std::chrono::steady_clock;
    struct Text {
        std::shared_ptr<const std::string> plain, packed;  // the same as gzip data
    };
    static constexpr std::chrono::seconds fresh{1};

    // The feed is borrowed.
    explicit BriefState(const Feed &feed) : feed_(feed) {}
    // Lines: a connection_status, then a detection_event for each device, the oldest first.
    Text text(bool history, Clock::time_point present = Clock::now());

  private:
    const Feed &feed_;
    EventBrief brief_;
    Text text_;
    Clock::time_point made_;
};

}  // namespace ble
