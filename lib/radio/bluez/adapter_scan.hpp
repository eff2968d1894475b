// Keeps one adapter of bluetoothd scanning: powers it on, starts discovery or advertisement monitors, and watches it.
//
// Silence can mean an empty room or a dead adapter. So after a silence the watchdog restarts
// the scan. If the adapter obeys, the room is taken for empty, and tests become more and more rare, with one power
// cycle among them. If it does not obey, it is power-cycled, and then given up. The restart of a passive scan does not reach the
// adapter, so that is tested by power cycles after the first two restarts.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/backoff.hpp"
#include "radio/bluez/advertisement_monitors.hpp"
#include "radio/bluez/bus.hpp"
#include "radio/bluez/properties.hpp"

namespace ble {

// Error(permission) when it is an error because bluetoothd does not let us.
void check_permission(const BusAnswer &answer);

class AdapterScan {
  public:
    using Clock = std::chrono::steady_clock;

    struct Options {
        std::chrono::milliseconds watchdog;  // silence after which the scan is restarted; 0: never
        bool passive;                        // by advertisement monitors instead of discovery
        bool reports;                        // every report is to be signalled
    };
    struct Callbacks {
        // Each time that it begins to scan.
        std::function<void(const std::string &label)> started;
        // Passive: a report of a device.
        AdvertisementMonitors::Found found;
    };

    // The monitors get objects below `root`. Lives as long as the bus calls back.
    AdapterScan(Bus &bus, std::string root, const Options &options, Callbacks callbacks);
    AdapterScan(const AdapterScan &) = delete;
    AdapterScan &operator=(const AdapterScan &) = delete;

    // The adapter is there: the path of its object, its name for people, what is known of it.
    void attach(const std::string &path, const std::string &label, const AdapterChange &known);
    // Starts once it is attached; the rest comes out of look_after() and the bus. Errors come out of both:
    // Error(permission) without the right, Error(unavailable) when the adapter is given up or cannot scan passively.
    void start();
    // The adapter is gone.
    void detach(const std::string &why);
    // Its properties have changed.
    void changed(const AdapterChange &change);
    // Stops what it has started; what other programs have started goes on. The adapter stays powered on.
    void stop();

    bool attached() const { return !path_.empty(); }
    const std::string &path() const { return path_; }
    const std::string &label() const { return label_; }
    // There was a report.
    void heard();
    // Does what is due.
    void look_after();
    std::optional<Clock::time_point> due() const;
    // Would it hear an advertisement now?
    bool listens() const;
    // Is there no fault that a restart of the tool would repair?
    bool alive() const;

  private:
    // activating: the monitors are registered, and none is active.
    enum class State : std::uint8_t { waiting, pausing, starting, activating, scanning };
    // The steps of the watchdog; when one fails, the next is tried.
    enum class Rung : std::uint8_t { none, restarting, cycling };

    using Next = void (AdapterScan::*)();
    using Refused = void (AdapterScan::*)(const std::string &error, const std::string &text);
    // What an error means depends on the call that it answers.
    void call(BusMessage message, Next next, Refused refused);
    void call(BusMessage message, Next next) { call(std::move(message), next, &AdapterScan::refuse); }
    BusMessage method(const char *interface, const char *member);
    BusMessage monitors_method(const char *member);
    BusMessage power(bool on);
    void begin();
    void set_filter();
    void start_discovery();
    void discovery_refused(const std::string &error, const std::string &text);
    void ask_features();
    void register_monitors();
    void monitors_registered();
    void registration_refused(const std::string &error, const std::string &text);
    void monitor_active();
    void monitors_refused(bool all_are);
    void monitor_dropped();
    void scanning();
    void refuse(const std::string &error, const std::string &text);
    void try_later();
    bool silent() const { return options_.watchdog.count() > 0 && Clock::now() >= bears_until(); }
    bool in_a_crowd() const;
    Clock::time_point bears_until() const;
    void restart();
    void start_again(const std::string &error, const std::string &text);
    void cycle();
    void cycle_on();

    Bus &bus_;
    std::string root_;
    Options options_;
    Callbacks callbacks_;
    std::optional<AdvertisementMonitors> monitors_;
    bool registered_ = false;  // they are, at this adapter
    bool active_ = false;      // one of them is
    bool incomplete_ = false;  // it was told that some are refused
    unsigned refusals_ = 0;    // of all of them, one after the other

    std::string version_;  // of bluetoothd, if it matters
    bool told_ = false;    // whom it does not hear

    std::string path_, label_;
    bool powered_ = false, discovering_ = false;
    State state_ = State::waiting;
    bool refused_ = false;    // the last start was
    std::uint64_t turn_ = 0;  // answers to calls of an earlier turn are stale
    Backoff backoff_{std::chrono::seconds(1), std::chrono::minutes(1)};
    Clock::time_point again_{};  // pausing: when to go on; activating: until when to wait
    // The watchdog.
    Rung rung_ = Rung::none;
    Clock::time_point heard_ = Clock::now();  // the last report, or the last answer to the watchdog
    std::chrono::milliseconds patience_;      // how long silence may last from then on
    unsigned restarts_ = 0;                   // answered, and still not a report
    unsigned crowd_ = 0;                      // reports in a row, each soon after the one before
    bool cycled_ = false;                     // in this silence
};

}  // namespace ble
