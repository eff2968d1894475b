#include "bleingest/devices.hpp"

#include <algorithm>

namespace ble {
namespace {

using std::chrono::milliseconds;
using Kind = Exposition::Kind;

Exposition::Labels label(const std::string &device_id) {
    return {{"device_id", device_id}};
}

}  // namespace

void Devices::note(const std::vector<StoreItem> &items, const StoreResult &result, std::time_t received) {
    using Outcome = StoreOutcome::Kind;
    for (std::size_t i = 0; i < items.size() && i < result.outcomes.size(); ++i)
        if (items[i].batch != nullptr && !items[i].is_archived() &&
            result.outcomes[i].kind == Outcome::stored)
            note(*items[i].batch, received);
    for (const auto &hole : result.holes) note(hole);
}

Devices::Device *Devices::find(const std::string &device_id) {
    if (const auto found = devices_.find(device_id); found != devices_.end()) return &found->second;
    if (devices_.size() < most) return &devices_[device_id];
    if (crowd_said_.due())
        log_warning("the metrics show " + std::to_string(most) + " Pis, and not " + printable(device_id) +
                    ": if you have fewer Pis, somebody sends invented names");
    return nullptr;
}

void Devices::note(const Batch &batch, std::time_t received) {
    counters_.note_window(batch.timestamp);
    Device *device = find(batch.device_id);
    if (device == nullptr) return;
    device->received = received;
    if (batch.timestamp)
        device->window = std::chrono::floor<milliseconds>(batch.timestamp->time_since_epoch());
    if (batch.clock_synced) device->synced = batch.clock_synced;
}

void Devices::note(const Gap &hole) {
    // What one hole adds is bounded, so that a single absurd one does not hide what others lose.
    constexpr std::uint64_t in_one = 1'000'000;
    const std::uint64_t batches = std::min<std::uint64_t>(hole.to_seq - hole.from_seq + 1, in_one);
    const auto reason = std::find(reasons.begin(), reasons.end() - 1, hole.reason);
    missing_[static_cast<std::size_t>(reason - reasons.begin())] += batches;
    if (Device *device = find(hole.device_id); device != nullptr) device->missing += batches;
}

void Devices::tell(Exposition &to) const {
    to.metric("missing_batches_total", Kind::counter,
              "Batches found missing; counted again when the reason becomes known later.");
    for (std::size_t i = 0; i < reasons.size(); ++i) to.sample(missing_[i], {{"reason", reasons[i]}});
    if (devices_.empty()) return;
    to.metric("device_last_received_timestamp_seconds", Kind::gauge,
              "When a batch of this Pi was last stored, since the start.");
    for (const auto &[id, device] : devices_)
        if (device.received > 0) to.sample(static_cast<std::uint64_t>(device.received), label(id));
    to.metric("device_newest_window_timestamp_seconds", Kind::gauge,
              "End of the scan window of the last stored batch of this Pi, by the Pi's clock.");
    for (const auto &[id, device] : devices_)
        if (device.window) to.seconds(*device.window, label(id));
    to.metric("device_clock_synchronised", Kind::gauge, "Does this Pi say that its clock is synchronised?");
    for (const auto &[id, device] : devices_)
        if (device.synced) to.sample(*device.synced ? 1 : 0, label(id));
    to.metric("device_missing_batches_total", Kind::counter,
              "Batches of this Pi found missing; counted again when the reason becomes known later.");
    for (const auto &[id, device] : devices_) to.sample(device.missing, label(id));
}

}  // namespace ble
