// Reports made of what bluetoothd signals about devices (org.bluez.Device1).
//
// In an active scan one report is one signal with an RSSI. bluetoothd merges what it hears within one turn of its loop,
// so there may be fewer reports than advertisements. In a passive scan an advertisement monitor tells of each report; the
// RSSI is the one that was signalled last, which bluetoothd does for changes of 8 dB and more. The event type is never
// known.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.hpp"
#include "radio/air/report.hpp"
#include "radio/bluez/bus.hpp"
#include "radio/bluez/device.hpp"

namespace ble {

class BluezReports {
  public:
    // Asked before each report, with the device's path; false: it does not count.
    using Counts = std::function<bool(std::string_view device_path, const Report &report)>;

    // passive: reports are found(), signals only tell of the device.
    BluezReports(Bus &bus, bool passive, Counters &counters, Counts counts);

    // What time it is, which is that of all reports, and where they go, from now on.
    void use(Time present, ReportSink &sink) {
        present_ = present;
        sink_ = &sink;
    }
    // These read the device's a{sv} at the message's present place: all of its properties, or those that have changed.
    // known: it was heard before. added: it is heard now.
    void known(const std::string &path, sd_bus_message *message);
    void added(const std::string &path, sd_bus_message *message);
    void changed(const std::string &path, sd_bus_message *message);
    void removed(const std::string &path);
    // By an advertisement monitor.
    void found(const std::string &path);
    // bluetoothd has forgotten all of them, or an adapter has another name now.
    void clear() { devices_.clear(); }

  private:
    void ask(const std::string &path);
    void ask_next();
    // True: there was an RSSI.
    bool read(sd_bus_message *message, BluezDevice &device);
    bool read_all(const std::string &path, const Address &address, sd_bus_message *message);
    void report(const std::string &path, const BluezDevice &device);

    Bus &bus_;
    bool passive_;
    Counters &counters_;
    Counts counts_;
    BluezDevices devices_;
    std::size_t asked_ = 0;           // questions about devices that are not yet answered
    std::deque<std::string> to_ask_;  // devices, each for a report of it
    std::vector<std::uint8_t> data_;
    Time present_{};
    ReportSink *sink_ = nullptr;
};

}  // namespace ble
