#include "radio/capture/packet_clock.hpp"

#include <utility>

namespace ble {

void PacketClock::begin(Time time) {
    begun_ = true;
    latest_ = time;
    tell_(time, true);
    sink_.advance(time);
}

void PacketClock::packet(Time time) {
    if (!begun_) return;
    fresh_ = true;
    set_ = false;
    latest_ = time;
    sink_.advance(time);
}

void PacketClock::add(const Report &report) {
    if (!begun_) begin(report.timestamp);
    sink_.add(report);
}

void PacketClock::advance(Time now) {
    constexpr auto clock_was_set = std::chrono::seconds(10);
    if (!begun_) return begin(now);
    if (std::exchange(fresh_, false) || held_) return;
    const Time time = now - late;
    const bool leaps = time >= latest_ + clock_was_set || now <= latest_ - clock_was_set;
    const bool seen_before = std::exchange(set_, leaps);
    if (leaps ? !seen_before : time <= latest_) return;
    set_ = false;
    latest_ = time;
    sink_.advance(latest_);
}

std::optional<Time> PacketClock::due() const {
    const auto due = sink_.due();
    if (!due || set_ || held_) return {};
    return *due + late;
}

void PacketClock::finish() {
    if (!begun_) return;
    tell_(latest_, false);
    begun_ = fresh_ = set_ = false;
    sink_.finish();
}

}  // namespace ble
