// The present state, for a client that connects later: the latest detections of each device, recent gaps, and devices
// that were two at once. Bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/subscribe.hpp"
#include "server/event_ring.hpp"

namespace ble {

class Snapshot {
  public:
    // A reader's position. It holds no events, so a slow client keeps none in memory.
    struct Cursor {
        std::uint64_t until;  // what was remembered up to here
        std::uint64_t gap = 0, device = 0;
    };

    // Past `devices` or `bytes` the device that was silent longest is forgotten.
    Snapshot(std::size_t devices, std::size_t gaps, std::size_t bytes)
        : max_devices_(devices), max_gaps_(gaps), max_bytes_(bytes) {}

    // `frame` holds the event that `event` is a view of. Other events leave no trace. Two at once counts as a gap.
    void remember(const EventView &event, const Frame &frame);

    Cursor read() const { return {stamp_}; }
    std::vector<Frame> devices() const;  // the latest of each, the oldest first
    // Gaps, then devices, each oldest first. Empty: that was all. What has been replaced since read() is left out: its
    // successor is an event that came later.
    Frame next(Cursor &cursor) const;

  private:
    struct Device {
        std::string id;
        Frame frame;
    };
    void forget_oldest();

    std::size_t max_devices_, max_gaps_, max_bytes_, bytes_ = 0;
    std::uint64_t stamp_ = 0;                  // of the latest event remembered
    std::map<std::uint64_t, Device> devices_;  // by the stamp of their latest event
    std::unordered_map<std::string, std::uint64_t> by_id_;
    std::map<std::uint64_t, Frame> gaps_;
};

}  // namespace ble
