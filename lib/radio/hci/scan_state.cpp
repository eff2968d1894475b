#include "radio/hci/scan_state.hpp"

#include <algorithm>

#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

// Core Specification 5.4, Vol 4 Part E 7.7 and 7.8.
constexpr std::uint8_t command_complete = 0x0e, le_meta_event = 0x3e;
constexpr std::uint8_t advertising_report = 0x02, directed_report = 0x0b, extended_report = 0x0d,
                       scan_timeout = 0x11;
constexpr std::uint16_t reset = 0x0c03, set_parameters = 0x200b, set_enable = 0x200c,
                        set_extended_parameters = 0x2041, set_extended_enable = 0x2042;

// Where in the parameters of a command stands what it asks for: enable, or the filter policy; empty: it is about no scan.
std::optional<std::size_t> place_of_value(std::uint16_t opcode) {
    switch (opcode) {
        case set_enable:
        case set_extended_enable:
            return 0;
        case set_parameters:
            return 6;
        case set_extended_parameters:
            return 1;
        default:
            return {};
    }
}

}  // namespace

void ScanState::read(const HciPacket &packet) {
    if (packet.type == HciPacket::command) return asked(packet);
    if (packet.type == HciPacket::gone) {
        if (auto *controller = find(packet); controller != nullptr && controller->known)
            scans(*controller, false, packet.timestamp);
        return;
    }
    if (packet.type != HciPacket::event || packet.data.size() < 3) return;
    if (packet.data[0] == command_complete) answered(packet);
    if (packet.data[0] == le_meta_event) told(packet);
}

ScanState::Controller *ScanState::find(const HciPacket &packet) {
    const auto key = std::uint64_t{packet.interface} << 16 | packet.adapter;
    if (const auto found = controllers_.find(key); found != controllers_.end()) return &found->second;
    return controllers_.size() < most_controllers ? &controllers_[key] : nullptr;
}

void ScanState::asked(const HciPacket &command) {
    constexpr std::size_t head = 3;
    if (command.data.size() < head) return;
    const auto opcode = load_little<std::uint16_t>(command.data.data());
    const auto place = place_of_value(opcode);
    if (!place || command.data.size() <= head + *place) return;
    auto *controller = find(command);
    if (controller == nullptr) return;
    controller->opcode = opcode;
    controller->wanted = (command.data[head + *place] & 1) != 0;
}

void ScanState::answered(const HciPacket &complete) {
    constexpr std::size_t size = 6;
    if (complete.data.size() < size || complete.data[5] != 0) return;
    const auto opcode = load_little<std::uint16_t>(complete.data.data() + 3);
    if (opcode != reset && !place_of_value(opcode)) return;
    auto *controller = find(complete);
    if (controller == nullptr) return;
    if (opcode == reset) {
        controller->accept_list_only = false;
        if (controller->known) scans(*controller, false, complete.timestamp);
    } else if (controller->opcode == opcode) {
        controller->opcode = 0;
        if (opcode == set_enable || opcode == set_extended_enable)
            scans(*controller, controller->wanted, complete.timestamp);
        else
            controller->accept_list_only = controller->wanted;
    }
}

void ScanState::told(const HciPacket &meta_event) {
    const auto subevent = meta_event.data[2];
    const bool report =
        subevent == advertising_report || subevent == directed_report || subevent == extended_report;
    if (!report && subevent != scan_timeout) return;
    auto *controller = find(meta_event);
    if (controller == nullptr) return;
    if (!report) {
        if (controller->known) scans(*controller, false, meta_event.timestamp);
    } else if (!controller->known ||
               (!controller->on && std::chrono::abs(meta_event.timestamp - controller->since) > straggling)) {
        scans(*controller, true, meta_event.timestamp);
    }
}

void ScanState::scans(Controller &controller, bool on, Time since) {
    if (controller.known && controller.on == on) return;
    controller.known = true;
    controller.on = on;
    controller.since = since;
    look(since);
}

void ScanState::look(Time time) {
    const bool listens = std::any_of(controllers_.begin(), controllers_.end(), [](const auto &entry) {
        const auto &controller = entry.second;
        return controller.known && controller.on && !controller.accept_list_only;
    });
    if (listens == listens_) return;
    listens_ = listens;
    tell_(listens, time);
}

}  // namespace ble
