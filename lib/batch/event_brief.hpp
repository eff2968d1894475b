// An event of detections in few bytes: how many were heard in each zone, instead of who.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

// One thread.
class EventBrief {
  public:
    EventBrief();
    ~EventBrief();
    EventBrief(EventBrief &&) noexcept;
    EventBrief &operator=(EventBrief &&) noexcept;

    // The same detection_event with `occupancy` in place of `detections`, and of other members those of blepipe-batch(5). Nothing: it is
    // no event.
    std::optional<std::string> of(std::string_view detection_event);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
