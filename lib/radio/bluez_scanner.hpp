// Scans by BlueZ's bluetoothd over D-Bus (org.bluez): finds the adapters, powers them on and keeps discovery running.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/counters.hpp"
#include "radio/bluez_properties.hpp"
#include "radio/bluez_reports.hpp"
#include "radio/bus.hpp"
#include "radio/live_source.hpp"

namespace ble {

struct BluezOptions {
    // Names (hci0) or addresses, or "any": the first that is there. None: any. One adapter is scanned for each.
    std::vector<std::string> adapters;
    // Silence after which discovery is restarted. When the adapter answers, the room is taken for empty and is asked
    // about more and more rarely, with one power cycle on the way; when it does not, it is power-cycled, and after that
    // given up by Error(unavailable). 0: never.
    std::chrono::milliseconds watchdog{90'000};
    // False: keeps discovery running only; somebody else hears the reports, and tells heard().
    bool reports = true;
};

class BluezScanner : public LiveSource {
  public:
    // `started` is told each time that an adapter begins to scan: "hci0 (00:11:22:33:44:55)".
    using Started = std::function<void(const std::string &adapter)>;

    // Error(unavailable) without a bus. The rest comes out of handle(): at first Error(unavailable) also without
    // bluetoothd or the adapters wanted, Error(permission) without the right. Once they were there they are waited for.
    BluezScanner(const BluezOptions &options, Counters &counters, Started started);
    // Stops the discovery that it has started; that of other programs goes on. Adapters stay powered on.
    ~BluezScanner() override;

    int fd() const override { return bus_.fd(); }
    short events() const override { return bus_.events(); }
    std::optional<Clock::time_point> due() const override;
    void handle(ReportSink &sink) override;

    // Is the adapter of that index one of ours?
    bool scans(std::uint16_t adapter) const;
    // For the watchdog: there was a report, of the adapter of that name.
    void heard(std::string_view adapter);
    bool listening() const override;
    bool alive() const override;

  private:
    enum class State : std::uint8_t { waiting, pausing, starting, scanning };
    // How far the watchdog has gone; when a rung fails, the next is tried.
    enum class Rung : std::uint8_t { none, restarting, cycling };
    enum class By : std::uint8_t { address, name, chance };

    // An adapter that bluetoothd has.
    struct Adapter {
        std::string name, address;
        bool powered = false, discovering = false;
    };
    // One that is wanted.
    struct Seat {
        std::string wanted;   // as the options name it
        std::string address;  // of the adapter found: it is known again when it comes back under another name
        std::string path;     // of its object; empty: not there
        State state = State::waiting;
        std::uint64_t turn = 0;  // answers to calls of an earlier turn are stale
        Backoff backoff{std::chrono::seconds(1), std::chrono::minutes(1)};
        Clock::time_point again{};  // pausing: when to go on
        // The watchdog.
        Rung rung = Rung::none;
        Clock::time_point heard = Clock::now();  // the last report, or the last answer to the watchdog
        std::chrono::milliseconds patience{};    // how long silence is borne from then on
        unsigned restarts = 0;                   // answered, and still not a report
        bool cycled = false;                     // in this silence
    };

    void subscribe();
    void list_objects();
    void listed(const BusAnswer &answer);
    void owner_changed(const std::string &owner);
    void object_added(sd_bus_message *message);
    void read_object(const std::string &path, sd_bus_message *message);
    void object_removed(sd_bus_message *message);
    void properties_changed(sd_bus_message *message);
    void adapter_changed(const std::string &path, const AdapterChange &change);

    void choose_adapters();
    bool take(Seat &seat, By by);
    void release(Seat &seat, const std::string &why);
    std::string there() const;
    std::string label(const Seat &seat) const;

    using Next = void (BluezScanner::*)(Seat &);
    void call(Seat &seat, BusMessage message, Next next);
    BusMessage adapter_method(const Seat &seat, const char *member);
    BusMessage power(const Seat &seat, bool on);
    void start(Seat &seat);
    void set_filter(Seat &seat);
    void start_discovery(Seat &seat);
    void scanning(Seat &seat);
    void refuse(Seat &seat, const std::string &error, const std::string &text);
    void try_later(Seat &seat);

    static bool listens(const Seat &seat);
    bool silent(const Seat &seat) const;
    void look_after(Seat &seat);
    void restart(Seat &seat);
    void cycle(Seat &seat);
    void cycle_on(Seat &seat);

    Seat *seat_of(std::string_view object_path);
    bool counts(std::string_view device);
    static void reset_watchdog(Seat &seat, std::chrono::milliseconds patience);

    BluezOptions options_;
    Counters &counters_;
    Started started_;
    std::vector<Seat> seats_;
    std::map<std::string, Adapter> adapters_;  // by object path
    bool chosen_ = false;                      // the adapters were found once
    std::uint64_t listing_ = 0;                // the newest list of objects asked for
    BluezReports reports_;
    Bus bus_;  // last: its callbacks end first
};

}  // namespace ble
