// What is current, for a client that comes later: the latest detections of each device and the recent gaps. Bounded.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/subscribe.hpp"
#include "server/event_ring.hpp"

namespace ble {

class Snapshot {
  public:
    // Past `devices` or `bytes` the device that was silent longest is forgotten.
    Snapshot(std::size_t devices, std::size_t gaps, std::size_t bytes)
        : max_devices_(devices), max_gaps_(gaps), max_bytes_(bytes) {}

    // `frame` holds the event that `event` is a view of. Other events than detections and gaps leave no trace.
    void remember(const EventView &event, const Frame &frame);

    // Gaps, then devices, each oldest first. The same object until something changes; what is given out stays as it is.
    std::shared_ptr<const std::vector<Frame>> frames() const;

  private:
    struct Device {
        std::string id;
        Frame frame;
    };
    void forget_oldest();

    std::size_t max_devices_, max_gaps_, max_bytes_, bytes_ = 0;
    std::list<Device> devices_;  // by the time of their latest event
    std::unordered_map<std::string, std::list<Device>::iterator> by_id_;
    std::deque<Frame> gaps_;
    mutable std::shared_ptr<const std::vector<Frame>> frames_;
};

}  // namespace ble
