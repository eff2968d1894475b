// Scans by BlueZ's bluetoothd over D-Bus (org.bluez): finds the adapters, powers them on and keeps discovery running.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/counters.hpp"
#include "radio/bluez/adapter_scan.hpp"
#include "radio/bluez/bus.hpp"
#include "radio/bluez/live_source.hpp"
#include "radio/bluez/properties.hpp"
#include "radio/bluez/reports.hpp"
#include "radio/bluez/signs_of_life.hpp"

namespace ble {

struct BluezOptions {
    // Names (hci0) or addresses, or "any": the first that is there. None: any. One adapter is scanned for each.
    std::vector<std::string> adapters;
    // Silence after which a scan is restarted (see AdapterScan). 0: never.
    std::chrono::milliseconds watchdog{90'000};
    // False: keeps the adapters scanning only; somebody else hears the reports, and tells heard().
    bool reports = true;
    // Asks advertisers for nothing, by advertisement monitors instead of discovery.
    bool passive = false;
};

class BluezScanner : public LiveSource {
  public:
    // `started` is told each time that an adapter begins to scan: "hci0 (00:11:22:33:44:55)".
    using Started = std::function<void(const std::string &adapter)>;

    // Error(unavailable) without a bus. The rest comes out of handle(): at first Error(unavailable) also without
    // bluetoothd or the adapters wanted, Error(permission) without the right. Once they were there they are waited for.
    BluezScanner(const BluezOptions &options, Counters &counters, const Started &started);
    // Stops what it has started; the scans of other programs go on. Adapters stay powered on.
    ~BluezScanner() override;

    int fd() const override { return bus_.fd(); }
    short events() const override { return bus_.events(); }
    std::optional<Clock::time_point> due() const override;
    void handle(Time present, ReportSink &sink) override;

    // Is the adapter of that index one of ours?
    bool scans(std::uint16_t adapter);
    // For the watchdog: there was a report.
    void heard(const Report &report);
    bool listening() const override;
    std::string scanning() const;  // the adapters that listen now, as `started` names them
    bool alive() const override;

  private:
    enum class By : std::uint8_t { address, name, chance };

    // An adapter that is wanted.
    struct Seat {
        Seat(std::string wanted_adapter, Bus &bus, std::string root, const AdapterScan::Options &options,
             AdapterScan::Callbacks callbacks)
            : wanted(std::move(wanted_adapter)), scan(bus, std::move(root), options, std::move(callbacks)) {}

        std::string wanted;   // as the options name it
        std::string address;  // of the adapter found: it is known again when it comes back under another name
        AdapterScan scan;
        SignsOfLife signs;
    };

    void subscribe();
    void list_objects();
    void listed(const BusAnswer &answer);
    void owner_changed(const std::string &owner);
    void object_added(sd_bus_message *message);
    void read_object(const std::string &path, sd_bus_message *message, bool listed);
    void object_removed(sd_bus_message *message);
    void properties_changed(sd_bus_message *message);
    void adapter_changed(const std::string &path, const AdapterChange &change);

    void choose_adapters();
    bool take(Seat &seat, By by);
    std::string label(const std::string &path) const;
    std::string there() const;
    Seat *seat_of(std::string_view object_path);
    bool counts(std::string_view device, const Report &report);
    void heard(Seat &seat, const Report &report);

    BluezOptions options_;
    Counters &counters_;
    std::list<Seat> seats_;
    std::map<std::string, AdapterChange> adapters_;  // that bluetoothd has, by object path
    bool chosen_ = false;                            // the adapters were found once
    std::uint64_t listing_ = 0;                      // the newest list of objects asked for
    BluezReports reports_;
    Bus bus_;  // last: its callbacks end first
};

}  // namespace ble
