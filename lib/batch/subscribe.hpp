// What a dashboard wants to see: {"subscribe":{"device_id":[…],"device_hash":[…],"rssi_min":-70}}.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/timestamp.hpp"

namespace ble {

// An event taken apart once, for any number of subscriptions.
struct EventView {
    struct Detection {
        std::size_t begin, end;  // its bytes in `line`
        std::string device_hash;
        std::optional<int> rssi_dbm;
    };
    std::string_view line;
    std::string type;                                  // "detection_event", …: never empty
    std::optional<std::string> device_id;              // data.device_id
    std::optional<Time> timestamp;                     // data.timestamp, when it is a time
    std::optional<std::vector<Detection>> detections;  // data.detections, when the event has them
};

// One thread. The view's `line` is the caller's. Nothing: not an object with a type, or not as events are.
class EventReader {
  public:
    EventReader();
    ~EventReader();
    EventReader(EventReader &&) noexcept;
    EventReader &operator=(EventReader &&) noexcept;

    std::optional<EventView> read(std::string_view event_line);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// By default everything passes.
class Subscription {
  public:
    bool passes_all() const { return device_ids_.empty() && device_hashes_.empty() && !rssi_min_; }

    // The event whole, cut to the detections that match, or nothing. Events without detections pass by their device_id;
    // those without a device_id (connection_status, stats_update, lagged) always do.
    std::optional<std::string> apply(const EventView &event) const;

  private:
    friend std::variant<Subscription, std::string> parse_subscribe(std::string_view message);

    bool matches(const EventView::Detection &detection) const;

    std::set<std::string, std::less<>> device_ids_, device_hashes_;  // empty: any
    std::optional<int> rssi_min_;
};

// A client's message, which replaces its subscription; {"subscribe":{}} and empty lists mean everything. Else why it is refused. At most
// 64 KiB and 1000 values a list.
std::variant<Subscription, std::string> parse_subscribe(std::string_view message);

}  // namespace ble
