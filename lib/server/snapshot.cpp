#include "server/snapshot.hpp"

namespace ble {

void Snapshot::forget_oldest() {
    bytes_ -= devices_.front().frame->size();
    by_id_.erase(devices_.front().id);
    devices_.pop_front();
}

void Snapshot::remember(const EventView &event, const Frame &frame) {
    if (!event.device_id) return;
    if (event.type == "gap_event") {
        gaps_.push_back(frame);
        if (gaps_.size() > max_gaps_) gaps_.pop_front();
    } else if (event.type == "detection_event") {
        if (const auto known = by_id_.find(*event.device_id); known != by_id_.end()) {
            devices_.splice(devices_.end(), devices_, known->second);
            bytes_ -= devices_.back().frame->size();
            devices_.back().frame = frame;
        } else {
            devices_.push_back({*event.device_id, frame});
            by_id_[*event.device_id] = std::prev(devices_.end());
        }
        bytes_ += frame->size();
        while (devices_.size() > 1 && (devices_.size() > max_devices_ || bytes_ > max_bytes_))
            forget_oldest();
    } else {
        return;
    }
    frames_.reset();
}

std::shared_ptr<const std::vector<Frame>> Snapshot::frames() const {
    if (!frames_) {
        auto fresh = std::make_shared<std::vector<Frame>>(gaps_.begin(), gaps_.end());
        for (const Device &device : devices_) fresh->push_back(device.frame);
        frames_ = std::move(fresh);
    }
    return frames_;
}

}  // namespace ble
