#include "radio/bluez/advertisement_monitors.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <utility>

#include "radio/bluez/properties.hpp"

namespace ble {

namespace {

constexpr auto interface = "org.bluez.AdvertisementMonitor1";

}  // namespace

// What sd-bus calls; `data` is a Monitor.
struct AdvertisementMonitors::Vtable {
    static int activate(sd_bus_message *message, void *data, sd_bus_error *) {
        auto &monitor = *static_cast<Monitor *>(data);
        monitor.all.bus_.guard([&] { monitor.all.activated(monitor); });
        return sd_bus_reply_method_return(message, nullptr);
    }

    static int release(sd_bus_message *message, void *data, sd_bus_error *) {
        auto &monitor = *static_cast<Monitor *>(data);
        monitor.all.bus_.guard([&] { monitor.all.released(monitor); });
        return sd_bus_reply_method_return(message, nullptr);
    }

    static int found(sd_bus_message *message, void *data, sd_bus_error *) {
        auto &monitor = *static_cast<Monitor *>(data);
        monitor.all.bus_.guard([&] { monitor.all.found(monitor, read_word(message)); });
        return sd_bus_reply_method_return(message, nullptr);
    }

    static int lost(sd_bus_message *message, void *, sd_bus_error *) {
        return sd_bus_reply_method_return(message, nullptr);
    }

    static int type(sd_bus *, const char *, const char *, const char *, sd_bus_message *reply, void *,
                    sd_bus_error *) {
        return sd_bus_message_append(reply, "s", "or_patterns");
    }

    static int patterns(sd_bus *, const char *, const char *, const char *, sd_bus_message *reply, void *data,
                        sd_bus_error *) {
        int result = sd_bus_message_open_container(reply, 'a', "(yyay)");
        for (const auto &pattern : static_cast<Monitor *>(data)->patterns)
            if (result >= 0)
                result =
                    sd_bus_message_append(reply, "(yyay)", pattern.start, pattern.ad_type, 1, pattern.byte);
        return result < 0 ? result : sd_bus_message_close_container(reply);
    }

    static const sd_bus_vtable members[];
};

const sd_bus_vtable AdvertisementMonitors::Vtable::members[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Activate", "", "", activate, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Release", "", "", release, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("DeviceFound", "o", "", found, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("DeviceLost", "o", "", lost, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Type", "s", type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Patterns", "a(yyay)", patterns, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};

void AdvertisementMonitors::Release::operator()(sd_bus_slot *slot) const {
    sd_bus_slot_unref(slot);
}

// Single bytes tell whole kinds of data: of company identifiers and 16-bit UUIDs (least significant byte first) few most
// significant bytes are assigned (Assigned Numbers 3.4 and 7), and in most 128-bit UUIDs the byte with the version (RFC
// 9562, 4.2; of time and at random) has one of 32 values.
std::vector<AdvertisementMonitors::Pattern> AdvertisementMonitors::patterns(Match match) {
    constexpr std::uint8_t flags = 0x01, some_uuid16 = 0x02, all_uuid16 = 0x03, some_uuid128 = 0x06,
                           all_uuid128 = 0x07, service_data16 = 0x16, manufacturer_data = 0xff;
    // A Flags structure is never that long.
    if (match == Match::nothing) return {{flags, 30, 0xff}};
    std::vector<Pattern> all;
    const auto add = [&](std::uint8_t ad_type, std::uint8_t start, unsigned first, unsigned last) {
        for (auto byte = first; byte <= last; ++byte) {
            const Pattern pattern{ad_type, start, static_cast<std::uint8_t>(byte)};
            if (std::find(all.begin(), all.end(), pattern) == all.end()) all.push_back(pattern);
        }
    };
    // The most usual ones in one monitor: most reports match no other.
    add(flags, 0, 0x06, 0x06);
    add(flags, 0, 0x1a, 0x1a);
    add(manufacturer_data, 1, 0x00, 0x00);
    if (match == Match::most) {
        add(service_data16, 0, 0x00, 0x00);
        add(service_data16, 0, 0x10, 0x10);
        add(service_data16, 0, 0x40, 0x40);
        add(flags, 0, 0x04, 0x04);
    } else {
        add(service_data16, 1, 0xfc, 0xfe);
        add(all_uuid16, 1, 0xfe, 0xfe);
    }
    // The other bits are reserved (Core Specification Supplement, part A, 1.3), and nobody is discoverable in both ways, the
    // lowest two, at once: where the patterns are few that has none.
    for (unsigned value = 0; value <= 0x1f; ++value)
        if (match == Match::all || (value & 3U) != 3U) add(flags, 0, value, value);
    add(manufacturer_data, 1, 0x00, 0x0f);
    add(manufacturer_data, 1, 0xff, 0xff);
    if (match == Match::most) {
        add(service_data16, 0, 0x00, 0xaf);
        return all;
    }
    for (const auto type : {service_data16, all_uuid16, some_uuid16}) {
        add(type, 1, 0xfc, 0xff);
        add(type, 1, 0x18, 0x18);
    }
    for (const auto type : {all_uuid128, some_uuid128}) {
        add(type, 9, 0x40, 0x4f);
        add(type, 9, 0x10, 0x1f);
    }
    return all;
}

AdvertisementMonitors::AdvertisementMonitors(Bus &bus, std::string root, Match match, Found found,
                                             Callbacks callbacks)
    : bus_(bus), root_(std::move(root)), found_(std::move(found)), callbacks_(std::move(callbacks)) {
    sd_bus_slot *slot = nullptr;
    check_bus(sd_bus_add_object_manager(bus_.raw(), &slot, root_.c_str()), "offer advertisement monitors");
    slots_.emplace_back(slot);
    constexpr std::size_t most = 7;  // of one monitor: bluetoothd 5.66 overruns its memory by more
    const auto all = patterns(match);
    for (std::size_t first = 0; first < all.size(); first += most)
        add({all.begin() + static_cast<std::ptrdiff_t>(first),
             all.begin() + static_cast<std::ptrdiff_t>(std::min(first + most, all.size()))});
}

AdvertisementMonitors::~AdvertisementMonitors() = default;

void AdvertisementMonitors::add(std::vector<Pattern> patterns) {
    const std::string path = root_ + "/monitor" + std::to_string(monitors_.size());
    monitors_.push_back(std::make_unique<Monitor>(Monitor{*this, std::move(patterns)}));
    sd_bus_slot *slot = nullptr;
    check_bus(sd_bus_add_object_vtable(bus_.raw(), &slot, path.c_str(), interface, Vtable::members,
                                       monitors_.back().get()),
              "offer advertisement monitors");
    slots_.emplace_back(slot);
}

// All monitors that a report matches are called at once, one after the other, so a second call by the same one, one of
// another device, or a later one is the next report.
void AdvertisementMonitors::found(Monitor &by, std::string device_path) {
    constexpr std::chrono::milliseconds at_once(50);
    const auto time = std::chrono::steady_clock::now();
    const bool next = device_path != last_ || by.told || time - last_call_ > at_once;
    last_call_ = time;
    if (next)
        for (const auto &monitor : monitors_) monitor->told = false;
    by.told = true;
    if (!next) return;
    last_ = std::move(device_path);
    found_(last_);
}

void AdvertisementMonitors::activated(Monitor &monitor) {
    monitor.active = true;
    callbacks_.active();
}

void AdvertisementMonitors::released(Monitor &monitor) {
    if (std::exchange(monitor.active, false)) return callbacks_.dropped();
    callbacks_.refused(++refusals_ == monitors_.size());
}

}  // namespace ble
