#include "server/snapshot.hpp"

#include <utility>

namespace ble {

void Snapshot::forget_oldest() {
    const Device &oldest = devices_.begin()->second;
    bytes_ -= oldest.frame->size();
    by_id_.erase(oldest.id);
    devices_.erase(devices_.begin());
}

void Snapshot::remember(const EventView &event, const Frame &frame) {
    if (!event.device_id) return;
    if (event.type == "gap_event" || event.type == "two_at_once_event") {
        gaps_.emplace_hint(gaps_.end(), ++stamp_, frame);
        if (gaps_.size() > max_gaps_) gaps_.erase(gaps_.begin());
    } else if (event.type == "detection_event") {
        const auto [known, fresh] = by_id_.try_emplace(*event.device_id, ++stamp_);
        if (fresh) {
            devices_.emplace_hint(devices_.end(), stamp_, Device{*event.device_id, frame});
        } else {
            auto device = devices_.extract(std::exchange(known->second, stamp_));
            bytes_ -= device.mapped().frame->size();
            device.mapped().frame = frame;
            device.key() = stamp_;
            devices_.insert(devices_.end(), std::move(device));
        }
        bytes_ += frame->size();
        while (devices_.size() > 1 && (devices_.size() > max_devices_ || bytes_ > max_bytes_))
            forget_oldest();
    }
}

std::vector<Frame> Snapshot::devices() const {
    std::vector<Frame> frames;
    frames.reserve(devices_.size());
    for (const auto &[stamp, device] : devices_) frames.push_back(device.frame);
    return frames;
}

Frame Snapshot::next(Cursor &cursor) const {
    if (const auto gap = gaps_.upper_bound(cursor.gap); gap != gaps_.end() && gap->first <= cursor.until) {
        cursor.gap = gap->first;
        return gap->second;
    }
    if (const auto device = devices_.upper_bound(cursor.device);
        device != devices_.end() && device->first <= cursor.until) {
        cursor.device = device->first;
        return device->second.frame;
    }
    return {};
}

}  // namespace ble
