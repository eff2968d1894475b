#include "radio/capture/steady_packets.hpp"

namespace ble {

namespace {

bool leaps(Time from, Time to) {
    return std::chrono::abs(to - from) > SteadyPackets::leap;
}

}  // namespace

std::optional<HciPacket> SteadyPackets::next() {
    std::optional<HciPacket> packet;
    if (ahead_.empty()) {
        packet = capture_.next();
    } else {
        packet = ahead_.front().packet;
        data_ = std::move(ahead_.front().data);
        packet->data = data_;
        ahead_.pop_front();
    }
    if (!packet) return packet;
    if (!last_ || leaps(*last_, packet->timestamp)) {
        if (ahead_.empty()) {  // reading on overwrites what the file has shown
            data_.assign(packet->data.begin(), packet->data.end());
            packet->data = data_;
        }
        packet->timestamp = last_ ? judge(packet->timestamp) : judge_first(packet->timestamp);
    }
    last_ = packet->timestamp;
    return packet;
}

const HciPacket *SteadyPackets::ahead(std::size_t place) {
    while (ahead_.size() <= place) {
        const auto packet = capture_.next();
        if (!packet) return nullptr;
        ahead_.push_back({*packet, {packet->data.begin(), packet->data.end()}});
        ahead_.back().packet.data = {};
    }
    return &ahead_[place].packet;
}

// Alone far ahead of what comes after it, or behind it by more than a silence.
Time SteadyPackets::judge_first(Time time) {
    const auto *second = ahead(0);
    if (!second) return time;
    const Time next = second->timestamp;
    if (time <= next + leap && next <= time + longest_silence) return time;
    const auto *third = ahead(1);
    return third && leaps(time, third->timestamp) && !leaps(next, third->timestamp) ? next : time;
}

Time SteadyPackets::judge(Time time) {
    const auto *next = ahead(0);
    if (!next) return time > *last_ + longest_silence ? *last_ : time;
    if (!leaps(time, next->timestamp)) return time;
    const bool ahead_alone = time > *last_ && next->timestamp < time;
    const bool behind_alone = time < *last_ && next->timestamp >= *last_ - leap;
    return ahead_alone || behind_alone ? *last_ : time;
}

}  // namespace ble
