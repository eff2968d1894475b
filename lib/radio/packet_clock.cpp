#include "radio/packet_clock.hpp"

namespace ble {

void PacketClock::begin(Time time) {
    begun_ = true;
    latest_ = time;
    tell_(time, true);
    sink_.advance(time);
}

void PacketClock::packet(Time time) {
    if (!begun_) return;
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
    if (now - late <= latest_ && now > latest_ - clock_was_set) return;
    latest_ = now - late;
    sink_.advance(latest_);
}

std::optional<Time> PacketClock::due() const {
    const auto due = sink_.due();
    if (!due) return {};
    return *due + late;
}

void PacketClock::finish() {
    if (!begun_) return;
    begun_ = false;
    tell_(latest_, false);
    sink_.finish();
}

}  // namespace ble
