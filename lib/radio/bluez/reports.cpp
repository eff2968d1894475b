#include "radio/bluez/reports.hpp"

#include <systemd/sd-bus.h>

#include <charconv>
#include <utility>

#include "radio/bluez/properties.hpp"

namespace ble {

namespace {

constexpr auto device_interface = "org.bluez.Device1";

std::string_view adapter_name(std::string_view path) {
    return bluez_adapter(path).substr(bluez_root.size());
}

// Unlike for each adapter and address.
std::uint64_t key(std::string_view path, const Address &address) {
    const auto name = adapter_name(path);
    const auto number = name.substr(std::min(name.find_first_of("0123456789"), name.size()));
    std::uint16_t adapter = 0;
    std::from_chars(number.data(), number.data() + number.size(), adapter);
    return static_cast<std::uint64_t>(adapter) << 48 | address.number();
}

}  // namespace

BluezReports::BluezReports(Bus &bus, bool passive, Counters &counters, Counts counts)
    : bus_(bus), passive_(passive), counters_(counters), counts_(std::move(counts)) {}

bool BluezReports::read(sd_bus_message *m, BluezDevice &device) {
    std::optional<std::int8_t> rssi;
    if (!read_device(m, device, rssi)) ++counters_.rejected;
    device.rssi_dbm = rssi.value_or(device.rssi_dbm);
    return rssi.has_value();
}

bool BluezReports::read_all(const std::string &path, const Address &address, sd_bus_message *m) {
    auto &device = devices_.get(key(path, address));
    device = BluezDevice(address);
    return read(m, device);
}

void BluezReports::known(const std::string &path, sd_bus_message *m) {
    if (const auto address = bluez_address(path)) read_all(path, *address, m);
}

void BluezReports::added(const std::string &path, sd_bus_message *m) {
    const auto address = bluez_address(path);
    if (address && read_all(path, *address, m) && !passive_) found(path);
}

void BluezReports::changed(const std::string &path, sd_bus_message *m) {
    const auto address = bluez_address(path);
    if (!address) return;
    BluezDevice stranger(*address);
    auto *known = devices_.find(key(path, *address));
    auto &device = known != nullptr ? *known : stranger;
    if (!read(m, device) || passive_) return;
    known != nullptr ? report(path, *known) : ask(path);
}

void BluezReports::found(const std::string &path) {
    const auto address = bluez_address(path);
    if (!address) return;
    const auto *known = devices_.find(key(path, *address));
    known != nullptr ? report(path, *known) : ask(path);
}

void BluezReports::removed(const std::string &path) {
    if (const auto address = bluez_address(path)) devices_.erase(key(path, *address));
}

// About one that has been forgotten, or was there before us: the answer is its report. Without it nobody could say whether
// the filters let it pass.
void BluezReports::ask(const std::string &path) {
    constexpr std::size_t most_waiting = 4096;
    if (to_ask_.size() == most_waiting) {
        ++counters_.dropped;
        return;
    }
    to_ask_.push_back(path);
    ask_next();
}

void BluezReports::ask_next() {
    // A bus lets a client wait for 128 answers, and forgets none that is late.
    constexpr std::size_t most_asked = 16;
    while (asked_ < most_asked && !to_ask_.empty()) {
        const auto path = std::move(to_ask_.front());
        to_ask_.pop_front();
        const auto *device = devices_.find(key(path, *bluez_address(path)));
        if (device != nullptr) {  // by an answer that came meanwhile
            report(path, *device);
            continue;
        }
        auto message = bus_.method("org.bluez", path, "org.freedesktop.DBus.Properties", "GetAll");
        sd_bus_message_append(message.get(), "s", device_interface);
        ++asked_;
        bus_.send(std::move(message), [this, path](const BusAnswer &answer) {
            --asked_;
            if (!answer.failed()) added(path, answer.message);
            if (!answer.failed() && passive_) found(path);
            ask_next();
        });
    }
}

void BluezReports::report(const std::string &path, const BluezDevice &device) {
    device.advertising_data(data_);
    Report report;
    report.timestamp = present_;
    report.address = device.address;
    report.event_type = Report::event_type_unknown;
    report.rssi_dbm = device.rssi_dbm;
    report.data = data_;
    report.adapter = adapter_name(path);
    if (!counts_(path, report)) return;
    counters_.in.fetch_add(1, std::memory_order_relaxed);
    sink_->advance(present_);
    if (!sink_->satisfied()) sink_->add(report);
}

}  // namespace ble
