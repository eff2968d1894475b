#include "radio/bluez/adapter_scan.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <utility>

#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "radio/bluez/version.hpp"

namespace ble {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto service = "org.bluez";
constexpr auto adapter_interface = "org.bluez.Adapter1";
constexpr auto monitors_interface = "org.bluez.AdvertisementMonitorManager1";
constexpr auto properties_interface = "org.freedesktop.DBus.Properties";

}  // namespace

void check_permission(const BusAnswer &answer) {
    if (answer.is("org.freedesktop.DBus.Error.AccessDenied") || answer.is("org.bluez.Error.NotAuthorized"))
        throw Error(ExitCode::permission, "bluetoothd refuses: " + printable(answer.text) +
                                              "; add the user to the group bluetooth, or run as root");
}

AdapterScan::AdapterScan(Bus &bus, std::string root, const Options &options, Callbacks callbacks)
    : bus_(bus),
      root_(std::move(root)),
      options_(options),
      callbacks_(std::move(callbacks)),
      patience_(options.watchdog) {}

void AdapterScan::attach(const std::string &path, const std::string &label, const AdapterChange &known) {
    path_ = path;
    label_ = label;
    // It may be another one after a restart.
    if (options_.passive && options_.reports) version_ = version_of_bluetoothd();
    powered_ = known.powered.value_or(false);
    discovering_ = known.discovering.value_or(false);
    heard_ = Clock::now();
}

void AdapterScan::detach(const std::string &why) {
    if (!attached()) return;
    log_warning(why + "; waiting for it to come back");
    path_.clear();
    state_ = State::waiting;
    refused_ = false;
    rung_ = Rung::none;
    registered_ = false;
    ++turn_;
}

void AdapterScan::changed(const AdapterChange &change) {
    if (change.powered) powered_ = *change.powered;
    if (change.discovering) discovering_ = *change.discovering;
    if (change.powered && powered_ && state_ == State::pausing) return start();
    if (state_ != State::scanning) return;
    const bool off = change.powered && !powered_;
    // A passive scan is no discovery: bluetoothd does not tell of it.
    if (!off && (options_.passive || change.discovering.value_or(true))) return;
    log_warning(label_ + (off ? " was switched off" : " has stopped scanning") + "; starting it again");
    try_later();
}

// Goes on with `next` once it has succeeded.
void AdapterScan::call(BusMessage message, Next next, Refused refused) {
    bus_.send(std::move(message), [this, turn = ++turn_, next, refused](const BusAnswer &answer) {
        if (turn_ != turn) return;
        check_permission(answer);
        if (answer.failed()) return (this->*refused)(answer.error, answer.text);
        (this->*next)();
    });
}

BusMessage AdapterScan::method(const char *interface, const char *member) {
    return bus_.method(service, path_, interface, member);
}

BusMessage AdapterScan::monitors_method(const char *member) {
    auto message = method(monitors_interface, member);
    sd_bus_message_append(message.get(), "o", root_.c_str());
    return message;
}

BusMessage AdapterScan::power(bool on) {
    auto message = method(properties_interface, "Set");
    sd_bus_message_append(message.get(), "ssv", adapter_interface, "Powered", "b", on ? 1 : 0);
    return message;
}

void AdapterScan::start() {
    state_ = State::starting;
    if (powered_) return begin();
    log_info("powering on " + label_);
    call(power(true), &AdapterScan::begin);
}

void AdapterScan::begin() {
    if (!options_.passive) return set_filter();
    if (!registered_) return ask_features();
    registered_ = false;
    // bluetoothd may have forgotten them meanwhile: that is as well.
    bus_.send(monitors_method("UnregisterMonitor"), [this, turn = ++turn_](const BusAnswer &) {
        if (turn_ == turn) ask_features();
    });
}

// DuplicateData: each report is signalled, not only what has changed. When somebody else hears the reports bluetoothd need
// hear of none: the RSSI that it may know at least keeps the kernel from telling it, for as long as no other program
// wants to know. Either is what makes it a filter: without, bluetoothd 5.67 and later rests for 5 s of 15.
void AdapterScan::set_filter() {
    constexpr int strongest = 20;
    auto message = method(adapter_interface, "SetDiscoveryFilter");
    sd_bus_message_append(message.get(), "a{sv}", 2, "Transport", "s", "le",
                          options_.reports ? "DuplicateData" : "RSSI", options_.reports ? "b" : "n",
                          options_.reports ? 1 : strongest);
    call(std::move(message), &AdapterScan::start_discovery);
}

void AdapterScan::start_discovery() {
    call(method(adapter_interface, "StartDiscovery"), &AdapterScan::scanning,
         &AdapterScan::discovery_refused);
}

// bluetoothd says that it is in progress, too, when several programs start at once: it discovers for all of them, though
// it never answers some. When it stops it says so, and is asked again.
void AdapterScan::discovery_refused(const std::string &error, const std::string &text) {
    error == "org.bluez.Error.InProgress" && discovering_ ? scanning() : refuse(error, text);
}

void AdapterScan::ask_features() {
    auto message = method(properties_interface, "Get");
    sd_bus_message_append(message.get(), "ss", monitors_interface, "SupportedFeatures");
    bus_.send(std::move(message), [this, turn = ++turn_](const BusAnswer &answer) {
        if (turn_ != turn) return;
        const auto features =
            answer.failed() ? std::vector<std::string>() : read_variant_words(answer.message);
        if (std::find(features.begin(), features.end(), "controller-patterns") != features.end())
            throw Error(ExitCode::unavailable, label_ +
                                                   " filters advertisements itself, and reports each "
                                                   "advertiser only once; scan without --passive");
        register_monitors();
    });
}

// When somebody else hears the reports, a monitor that nothing matches keeps the scan going.
void AdapterScan::register_monitors() {
    using enum AdvertisementMonitors::Match;
    incomplete_ = active_ = false;
    const auto match = !options_.reports ? nothing : takes_advertisements_apart(version_) ? most : all;
    monitors_.emplace(bus_, root_, match, callbacks_.found,
                      AdvertisementMonitors::Callbacks{[this] { monitor_active(); },
                                                       [this](bool all_are) { monitors_refused(all_are); },
                                                       [this] { monitor_dropped(); }});
    call(monitors_method("RegisterMonitor"), &AdapterScan::monitors_registered,
         &AdapterScan::registration_refused);
}

void AdapterScan::registration_refused(const std::string &error, const std::string &text) {
    if (error == "org.freedesktop.DBus.Error.UnknownMethod")
        throw Error(ExitCode::unavailable,
                    "--passive needs advertisement monitors, which bluetoothd does not offer on " + label_ +
                        "; try: Experimental = true in /etc/bluetooth/main.conf and systemctl restart "
                        "bluetooth, or scan without --passive");
    if (error != "org.bluez.Error.AlreadyExists") return refuse(error, text);
    registered_ = true;  // an earlier answer came too late: they are taken back first
    try_later();
}

void AdapterScan::monitors_registered() {
    constexpr seconds patience(20);  // as with any answer
    registered_ = true;
    state_ = State::activating;
    again_ = Clock::now() + patience;
    if (active_) monitor_active();
}

void AdapterScan::monitor_active() {
    active_ = true;
    if (state_ != State::activating) return;
    refusals_ = 0;
    // Monitors become active at an adapter that is off, too.
    powered_ ? scanning() : try_later();
}

void AdapterScan::scanning() {
    state_ = State::scanning;
    refused_ = false;
    if (options_.passive && options_.reports && takes_advertisements_apart(version_) &&
        !std::exchange(told_, true))
        log_warning("bluetoothd" + (version_.empty() ? "" : " " + version_) + ", scanning passively, " +
                    AdvertisementMonitors::deaf_to + "; to hear all: --passive --source monitor");
    if (rung_ == Rung::none) return callbacks_.started(label_);
    // The adapter does what it is told: there may be nobody in the room.
    constexpr milliseconds most = std::chrono::hours(1);
    patience_ = std::max(options_.watchdog, std::min(patience_ * 2, most));
    heard_ = Clock::now();
    rung_ = Rung::none;
    log_info(label_ + " answers and scans; if it stays silent, it is checked again in " +
             in_seconds(patience_));
}

// All of them are also refused when the adapter is about to go: it may come back, and is tried once more.
void AdapterScan::monitors_refused(bool all_are) {
    if (!registered_) return;  // we take them back ourselves
    if (!all_are) {
        if (!std::exchange(incomplete_, true))
            log_warning(label_ +
                        " does not accept all advertisement monitors, so some advertisers are not heard; "
                        "scan without --passive");
        return;
    }
    constexpr unsigned tolerated = 1;
    if (++refusals_ > tolerated)
        throw Error(ExitCode::unavailable,
                    label_ + " accepts no advertisement monitor; scan without --passive");
    refused_ = true;
    try_later();
}

// By others, or since the adapter is about to go.
void AdapterScan::monitor_dropped() {
    if (state_ != State::scanning) return;
    log_warning(label_ + " has lost an advertisement monitor; registering them again");
    try_later();
}

void AdapterScan::refuse(const std::string &error, const std::string &text) {
    const std::string reason = printable(text.empty() ? error : text);
    if (rung_ == Rung::cycling)
        throw Error(ExitCode::unavailable,
                    label_ + " does not scan, not even after a power cycle (" + reason +
                        "); unplug it, or try: rfkill unblock bluetooth, systemctl restart bluetooth");
    log_warning(label_ + " does not scan: " + reason + "; trying again");
    refused_ = true;
    try_later();
}

void AdapterScan::try_later() {
    state_ = State::pausing;
    ++turn_;
    again_ = Clock::now() + backoff_.next();
}

void AdapterScan::stop() {
    if (state_ == State::waiting || state_ == State::pausing) return;
    if (options_.passive) return bus_.send_last(monitors_method("UnregisterMonitor"));
    bus_.send_last(method(adapter_interface, "StopDiscovery"));
}

void AdapterScan::heard() {
    constexpr milliseconds soon(500);
    const auto time = Clock::now();
    crowd_ = time - heard_ <= soon ? crowd_ + 1 : 0;
    heard_ = time;
    patience_ = options_.watchdog;
    restarts_ = 0;
    cycled_ = false;
    backoff_.reset();
}

// Many reports without a pause: such a room does not fall silent from one moment to the next.
bool AdapterScan::in_a_crowd() const {
    constexpr unsigned many = 200;
    return crowd_ >= many;
}

// How long silence lasts before it is too long. In a crowd it is the sign that bluetoothd has missed the end of a discovery.
AdapterScan::Clock::time_point AdapterScan::bears_until() const {
    constexpr milliseconds at_once(3000);
    return heard_ + (in_a_crowd() ? std::min(patience_, at_once) : patience_);
}

void AdapterScan::look_after() {
    if (state_ == State::pausing && Clock::now() >= again_)
        return refused_ && (rung_ == Rung::restarting || silent()) ? cycle() : start();
    if (state_ == State::activating && Clock::now() >= again_)
        return refuse({}, "the advertisement monitors do not become active");
    if (state_ != State::scanning || !silent()) return;
    // bluetoothd takes monitors back and on without asking the adapter: there only the power does, more and more rarely.
    constexpr unsigned tolerated = 2;
    const bool may_cycle = options_.passive || !cycled_;
    return restarts_ >= tolerated && may_cycle ? cycle() : restart();
}

void AdapterScan::restart() {
    const auto borne = std::chrono::duration_cast<milliseconds>(bears_until() - heard_);
    log_warning(
        label_ + ": no advertisement for " + in_seconds(borne) +
        (in_a_crowd()
             ? " after very many (bluetoothd cannot keep up: set net.core.rmem_default, see blescan --doctor)"
             : "") +
        "; restarting " + (options_.passive ? "the passive scan" : "discovery"));
    crowd_ = 0;
    rung_ = Rung::restarting;
    state_ = State::starting;
    ++restarts_;
    if (options_.passive) return begin();
    call(method(adapter_interface, "StopDiscovery"), &AdapterScan::set_filter, &AdapterScan::start_again);
}

// Whatever bluetoothd says of the stop (the session may be gone already), it is the start that tells of the adapter.
void AdapterScan::start_again(const std::string &error, const std::string &text) {
    log_info(label_ + " does not stop discovery: " + printable(text.empty() ? error : text) +
             "; starting it anyway");
    set_filter();
}

void AdapterScan::cycle() {
    log_warning(label_ + ": no advertisement; switching it off and on");
    rung_ = Rung::cycling;
    state_ = State::starting;
    cycled_ = true;
    call(power(false), &AdapterScan::cycle_on);
}

void AdapterScan::cycle_on() {
    call(power(true), &AdapterScan::begin);
}

std::optional<AdapterScan::Clock::time_point> AdapterScan::due() const {
    if (state_ == State::pausing || state_ == State::activating) return again_;
    if (state_ == State::scanning && options_.watchdog.count() > 0) return bears_until();
    return {};
}

// A restart by the watchdog is short: it does not cut the window in hand.
bool AdapterScan::listens() const {
    if (state_ == State::scanning) return true;
    return rung_ == Rung::restarting && (state_ == State::starting || state_ == State::activating);
}

bool AdapterScan::alive() const {
    return state_ == State::waiting || state_ == State::scanning || !silent();
}

}  // namespace ble
