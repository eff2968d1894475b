// Objects of org.bluez.AdvertisementMonitor1: with them bluetoothd scans passively and reports advertisements.
//
// An object has patterns, each an AD type and at least one byte of its data (BlueZ, org.bluez.AdvertisementMonitor), and
// bluetoothd takes 32 objects with 7 patterns, so no pattern matches everything. Match::all hears all that send Flags,
// manufacturer data, assigned 16-bit UUIDs or their service data, or 128-bit UUIDs of the usual versions. A bluetoothd
// that parses advertisements does not compare UUIDs: there Match::most hears all that send Flags, manufacturer data, or 16-bit service
// data whose first byte is 0xaf or less.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "radio/bluez/bus.hpp"

struct sd_bus_slot;

namespace ble {

class AdvertisementMonitors {
  public:
    enum class Match : std::uint8_t { all, most, nothing };
    // What Match::most does not hear, for people.
    static constexpr auto deaf_to =
        "hears no advertiser that sends neither Flags nor manufacturer data nor 16-bit service data with a "
        "first byte "
        "up to 0xaf";
    // A report of that device; bluetoothd has told of its new properties before. Two reports of one device that different
    // monitors match are taken for one when they come within 50 ms and nobody else is heard between them.
    using Found = std::function<void(const std::string &device_path)>;
    // None of them may destroy the monitors.
    struct Callbacks {
        std::function<void()> active;               // one is
        std::function<void(bool all_are)> refused;  // one is not taken; all_are: nor is any other
        std::function<void()> dropped;              // one that was active is no more
    };

    // Below `root`, the path to give to RegisterMonitor. `bus` outlives this.
    AdvertisementMonitors(Bus &bus, std::string root, Match match, Found found, Callbacks callbacks);
    AdvertisementMonitors(const AdvertisementMonitors &) = delete;
    AdvertisementMonitors &operator=(const AdvertisementMonitors &) = delete;
    ~AdvertisementMonitors();

  private:
    // A byte of an AD structure's data.
    struct Pattern {
        std::uint8_t ad_type, start, byte;

        bool operator==(const Pattern &) const = default;
    };
    struct Monitor {
        AdvertisementMonitors &all;
        std::vector<Pattern> patterns;
        bool active = false;
        bool told = false;  // of the device that was told of last
    };
    struct Vtable;
    struct Release {
        void operator()(sd_bus_slot *slot) const;
    };
    using Slot = std::unique_ptr<sd_bus_slot, Release>;

    static std::vector<Pattern> patterns(Match match);
    void add(std::vector<Pattern> patterns);
    void found(Monitor &by, std::string device_path);
    void activated(Monitor &monitor);
    void released(Monitor &monitor);

    Bus &bus_;
    std::string root_;
    Found found_;
    Callbacks callbacks_;
    std::vector<std::unique_ptr<Monitor>> monitors_;
    std::size_t refusals_ = 0;
    std::string last_;  // device told of
    std::chrono::steady_clock::time_point last_call_{};
    std::vector<Slot> slots_;
};

}  // namespace ble
