#include "server/event_ring.hpp"

namespace ble {

Frame make_frame(std::string_view text) {
    auto frame = std::make_shared<std::string>();
    frame->reserve(frame_padding + text.size());
    frame->append(frame_padding, '\0').append(text);
    return frame;
}

void EventRing::pop() {
    bytes_ -= text_of(frames_.front()).size();
    frames_.pop_front();
    begin_++;
}

void EventRing::push(Frame frame) {
    bytes_ += text_of(frame).size();
    frames_.push_back(std::move(frame));
}

}  // namespace ble
