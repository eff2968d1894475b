// The events that clients may still have to get, oldest first: one copy for all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace ble {

// Space before a message's first byte, for the library that sends it.
constexpr std::size_t frame_padding = 32;

// An event's text behind that padding: shared by the ring, the snapshot and every message being sent.
using Frame = std::shared_ptr<std::string>;
Frame make_frame(std::string_view text);
inline std::string_view text_of(const Frame &frame) {
    return std::string_view(*frame).substr(frame_padding);
}

// Bounded by count and by bytes. Positions count events since the beginning and are never used twice.
class EventRing {
  public:
    EventRing(std::size_t max_events, std::size_t max_bytes)
        : max_events_(max_events), max_bytes_(max_bytes) {}

    std::uint64_t begin() const { return begin_; }                 // of the oldest event here
    std::uint64_t end() const { return begin_ + frames_.size(); }  // of the event to come
    const Frame &at(std::uint64_t position) const {
        return frames_[static_cast<std::size_t>(position - begin_)];
    }
    std::size_t bytes() const { return bytes_; }

    // Must an event leave before one of `bytes` can be added? One event is always taken.
    bool full_for(std::size_t bytes) const {
        return !frames_.empty() && (frames_.size() >= max_events_ || bytes_ + bytes > max_bytes_);
    }
    void pop();
    void push(Frame frame);

  private:
    std::size_t max_events_, max_bytes_, bytes_ = 0;
    std::uint64_t begin_ = 1;
    std::deque<Frame> frames_;
};

}  // namespace ble
