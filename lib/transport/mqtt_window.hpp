// What a subscriber has taken and not acknowledged yet. One for all links of a connection, because messages of a lost link
// still wait for their reader. One thread.
#pragma once

#include <algorithm>
#include <cstddef>

namespace ble {

class MqttWindow {
  public:
    // At most so many messages, and no further one behind so many bytes of them. `messages` >= 1.
    MqttWindow(std::size_t messages, std::size_t bytes)
        : asked_(messages), most_(messages), most_bytes_(bytes) {}

    std::size_t receive_maximum() const { return asked_; }  // to be asked of the broker
    // From now on at most so many of a window; 0: take nothing more.
    void limit(std::size_t messages) { most_ = std::min(asked_, messages); }

    bool open() const { return !closed_ && !full(); }  // may another message be read?

    bool holds() const { return messages_ > 0; }

    void add(std::size_t bytes) {
        ++messages_;
        bytes_ += bytes;
    }
    // Nothing more is there: what was taken is handed on, and nothing is read until release().
    void close() { closed_ = true; }
    void release() {
        messages_ = bytes_ = 0;
        closed_ = false;
    }

  private:
    bool full() const { return messages_ >= most_ || bytes_ >= most_bytes_; }

    std::size_t asked_, most_, most_bytes_;
    std::size_t messages_ = 0, bytes_ = 0;
    bool closed_ = false;
};

}  // namespace ble
