// An event taken apart for who reads its data as a line of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ble {

struct EventParts {
    std::string type;       // "detection_event", …: never empty
    std::string_view data;  // its JSON as it came; empty: there is none. Valid until the next read()
};

// One thread.
class EventSplitter {
  public:
    EventSplitter();
    ~EventSplitter();
    EventSplitter(EventSplitter &&) noexcept;
    EventSplitter &operator=(EventSplitter &&) noexcept;

    // Nothing: `line` is no event, though it may be a batch. What is in the data is not looked at: its reader does that.
    std::optional<EventParts> read(std::string_view line);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
