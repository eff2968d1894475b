#include "radio/bluez_scanner.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto service = "org.bluez";
constexpr auto adapter_interface = "org.bluez.Adapter1", device_interface = "org.bluez.Device1";
constexpr auto properties_interface = "org.freedesktop.DBus.Properties";
constexpr auto objects_interface = "org.freedesktop.DBus.ObjectManager";
bool same_address(const std::string &one, const std::string &other) {
    const auto a = parse_address(one), b = parse_address(other);
    return a && b && a->number() == b->number();
}

bool forbidden(const BusAnswer &answer) {
    return answer.is("org.freedesktop.DBus.Error.AccessDenied") || answer.is("org.bluez.Error.NotAuthorized");
}

std::string in_seconds(milliseconds time) {
    return std::to_string(std::chrono::ceil<seconds>(time).count()) + " s";
}

Error no_right(const BusAnswer &answer) {
    return Error(ExitCode::permission, "bluetoothd refuses: " + printable(answer.text) +
                                           "; add the user to the group bluetooth, or run as root");
}

}  // namespace

BluezScanner::BluezScanner(const BluezOptions &options, Counters &counters, Started started)
    : options_(options),
      counters_(counters),
      started_(std::move(started)),
      reports_(bus_, counters, [this](std::string_view device) { return counts(device); }) {
    auto wanted = options_.adapters;
    if (wanted.empty()) wanted.emplace_back("any");
    seats_.resize(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        seats_[i].wanted = wanted[i];
        seats_[i].patience = options_.watchdog;
    }
    subscribe();
    list_objects();
}

BluezScanner::~BluezScanner() {
    for (const auto &seat : seats_) {
        if (seat.state != State::starting && seat.state != State::scanning) continue;
        try {
            bus_.send_last(adapter_method(seat, "StopDiscovery"));
        } catch (const Error &) {  // the bus is gone, and with it the discovery
        }
    }
}

void BluezScanner::subscribe() {
    const std::string from = "type='signal',sender='org.bluez',interface='";
    bus_.on_signal(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
        "member='NameOwnerChanged',arg0='org.bluez'",
        [this](sd_bus_message *m) {
            read_word(m), read_word(m);
            owner_changed(read_word(m));
        });
    bus_.on_signal(from + objects_interface + "',member='InterfacesAdded'",
                   [this](sd_bus_message *m) { object_added(m); });
    bus_.on_signal(from + objects_interface + "',member='InterfacesRemoved'",
                   [this](sd_bus_message *m) { object_removed(m); });
    for (const auto *interface : {adapter_interface, device_interface}) {
        if (interface == device_interface && !options_.reports) continue;
        bus_.on_signal(from + properties_interface + "',member='PropertiesChanged',arg0='" + interface + "'",
                       [this](sd_bus_message *m) { properties_changed(m); });
    }
}

void BluezScanner::list_objects() {
    const auto listing = ++listing_;
    bus_.send(bus_.method(service, "/", objects_interface, "GetManagedObjects"),
              [this, listing](const BusAnswer &answer) {
                  if (listing == listing_) listed(answer);
              });
}

void BluezScanner::listed(const BusAnswer &answer) {
    if (forbidden(answer)) throw no_right(answer);
    if (answer.failed()) {
        if (chosen_)
            return log_info("bluetoothd does not answer (" + printable(answer.text) + "); waiting for it");
        throw Error(ExitCode::unavailable,
                    "bluetoothd does not answer (" + printable(answer.text) +
                        "); try: systemctl start bluetooth, or install the package bluez");
    }
    read_objects(answer.message, [&](const std::string &path) { read_object(path, answer.message); });
    choose_adapters();
}

void BluezScanner::owner_changed(const std::string &owner) {
    adapters_.clear();
    reports_.clear();
    for (auto &seat : seats_) release(seat, "bluetoothd is gone");
    if (!owner.empty()) list_objects();
}

void BluezScanner::object_added(sd_bus_message *m) {
    const auto path = read_word(m);
    read_object(path, m);
    if (chosen_) choose_adapters();
}

// At the object's interfaces. Devices of a list are skipped, as no seat has an adapter yet: they were heard before.
void BluezScanner::read_object(const std::string &path, sd_bus_message *m) {
    const bool whole = read_interfaces(m, [&](std::string_view interface) {
        if (interface == device_interface && options_.reports && seat_of(path) != nullptr) {
            reports_.added(path, m);
            return true;
        }
        if (interface != adapter_interface || !path.starts_with(bluez_root)) return false;
        AdapterChange change;
        if (!read_adapter(m, change)) return false;
        auto &adapter = adapters_[path];
        adapter.name = path.substr(bluez_root.size());
        adapter.address = change.address.value_or("");
        adapter.powered = change.powered.value_or(false);
        adapter.discovering = change.discovering.value_or(false);
        return true;
    });
    if (!whole) ++counters_.rejected;
}

void BluezScanner::object_removed(sd_bus_message *m) {
    const auto path = read_word(m);
    const auto interfaces = read_words(m);
    const auto had = [&](const char *name) {
        return std::find(interfaces.begin(), interfaces.end(), name) != interfaces.end();
    };
    if (had(device_interface)) reports_.removed(path);
    if (!had(adapter_interface)) return;
    for (auto &seat : seats_)
        if (seat.path == path) release(seat, label(seat) + " is gone");
    adapters_.erase(path);
    if (chosen_) choose_adapters();
}

void BluezScanner::properties_changed(sd_bus_message *m) {
    const char *object = sd_bus_message_get_path(m);
    const std::string path = object != nullptr ? object : "";
    const auto interface = read_word(m);
    if (interface == device_interface) {
        if (seat_of(path) != nullptr) reports_.changed(path, m);
        return;
    }
    AdapterChange change;
    if (!read_adapter(m, change)) {
        ++counters_.rejected;
    } else if (adapters_.contains(path)) {
        adapter_changed(path, change);
    }
}

void BluezScanner::adapter_changed(const std::string &path, const AdapterChange &change) {
    auto &adapter = adapters_[path];
    if (change.powered) adapter.powered = *change.powered;
    if (change.discovering) adapter.discovering = *change.discovering;
    auto *seat = seat_of(path);
    if (seat == nullptr) return;
    if (change.powered && *change.powered && seat->state == State::pausing) return start(*seat);
    if (seat->state != State::scanning) return;
    const bool off = change.powered && !*change.powered;
    if (!off && change.discovering.value_or(true)) return;
    log_warning(label(*seat) + (off ? " was switched off" : " has stopped scanning") + "; starting it again");
    try_later(*seat);
}

// Which adapters are there, for people.
std::string BluezScanner::there() const {
    std::string text;
    for (const auto &[path, adapter] : adapters_)
        text += (text.empty() ? "" : ", ") + adapter.name + " (" + adapter.address + ")";
    return text;
}

std::string BluezScanner::label(const Seat &seat) const {
    const auto adapter = adapters_.find(seat.path);
    if (adapter == adapters_.end()) return seat.wanted;
    return adapter->second.name + " (" + adapter->second.address + ")";
}

void BluezScanner::choose_adapters() {
    for (const auto by : {By::address, By::name, By::chance})
        for (auto &seat : seats_)
            if (seat.path.empty() && take(seat, by) && chosen_) start(seat);
    if (chosen_) return;
    if (adapters_.empty())
        throw Error(ExitCode::unavailable,
                    "bluetoothd has no Bluetooth adapter; plug one in, or try: rfkill list bluetooth, "
                    "dmesg | grep -i bluetooth");
    for (const auto &seat : seats_)
        if (seat.path.empty())
            throw Error(ExitCode::unavailable, "there is no adapter " + printable(seat.wanted) +
                                                   (seat.wanted == "any" ? " that is free" : "") +
                                                   "; there are: " + there());
    chosen_ = true;
    for (auto &seat : seats_) start(seat);
}

// Finds an adapter for the seat that no other seat has or waits for.
bool BluezScanner::take(Seat &seat, By by) {
    for (const auto &[path, adapter] : adapters_) {
        const auto claims = [&](const Seat &other) {
            return &other != &seat && (other.path == path || same_address(other.address, adapter.address));
        };
        if (std::any_of(seats_.begin(), seats_.end(), claims)) continue;
        const bool fits = by == By::address ? same_address(seat.address, adapter.address) ||
                                                  same_address(seat.wanted, adapter.address)
                          : by == By::name ? seat.wanted == adapter.name
                                           : seat.wanted == "any";
        if (!fits) continue;
        seat.path = path;
        seat.address = adapter.address;
        seat.heard = Clock::now();
        return true;
    }
    return false;
}

void BluezScanner::release(Seat &seat, const std::string &why) {
    if (seat.path.empty()) return;
    log_warning(why + "; waiting for it to come back");
    seat.path.clear();
    seat.state = State::waiting;
    seat.rung = Rung::none;
    ++seat.turn;
    reports_.clear();
}

BusMessage BluezScanner::adapter_method(const Seat &seat, const char *member) {
    return bus_.method(service, seat.path, adapter_interface, member);
}

BusMessage BluezScanner::power(const Seat &seat, bool on) {
    auto message = bus_.method(service, seat.path, properties_interface, "Set");
    sd_bus_message_append(message.get(), "ssv", adapter_interface, "Powered", "b", on ? 1 : 0);
    return message;
}

// Goes on with `next` once it has succeeded.
void BluezScanner::call(Seat &seat, BusMessage message, Next next) {
    const auto place = static_cast<std::size_t>(&seat - seats_.data());
    bus_.send(std::move(message), [this, place, turn = ++seat.turn, next](const BusAnswer &answer) {
        auto &of = seats_[place];
        if (of.turn != turn) return;
        if (forbidden(answer)) throw no_right(answer);
        if (answer.failed()) return refuse(of, answer.error, answer.text);
        (this->*next)(of);
    });
}

void BluezScanner::start(Seat &seat) {
    seat.state = State::starting;
    if (adapters_[seat.path].powered) return set_filter(seat);
    log_info("powering on " + label(seat));
    call(seat, power(seat, true), &BluezScanner::set_filter);
}

// DuplicateData: each report is signalled, not only what has changed.
void BluezScanner::set_filter(Seat &seat) {
    auto message = adapter_method(seat, "SetDiscoveryFilter");
    sd_bus_message_append(message.get(), "a{sv}", 2, "Transport", "s", "le", "DuplicateData", "b",
                          options_.reports ? 1 : 0);
    call(seat, std::move(message), &BluezScanner::start_discovery);
}

void BluezScanner::start_discovery(Seat &seat) {
    call(seat, adapter_method(seat, "StartDiscovery"), &BluezScanner::scanning);
}

void BluezScanner::scanning(Seat &seat) {
    seat.state = State::scanning;
    if (seat.rung == Rung::none) return started_(label(seat));
    // The adapter does what it is told: there may be nobody in the room.
    constexpr milliseconds most = std::chrono::hours(1);
    seat.patience = std::max(options_.watchdog, std::min(seat.patience * 2, most));
    seat.heard = Clock::now();
    seat.rung = Rung::none;
    log_info(label(seat) + " answers and scans; if nothing is heard it is asked again in " +
             in_seconds(seat.patience));
}

void BluezScanner::refuse(Seat &seat, const std::string &error, const std::string &text) {
    // bluetoothd says so, too, when several programs start at once: it discovers for all of them, though it never
    // answers some. When it stops it says so, and is asked again.
    if (error == "org.bluez.Error.InProgress" && adapters_[seat.path].discovering) return scanning(seat);
    const std::string reason = printable(text.empty() ? error : text);
    if (seat.rung == Rung::cycling)
        throw Error(ExitCode::unavailable,
                    label(seat) + " does not scan, not even after a power cycle (" + reason +
                        "); unplug it, or try: rfkill unblock bluetooth, systemctl restart bluetooth");
    log_warning(label(seat) + " does not scan: " + reason + "; trying again");
    try_later(seat);
}

void BluezScanner::try_later(Seat &seat) {
    seat.state = State::pausing;
    ++seat.turn;
    seat.again = Clock::now() + seat.backoff.next();
}

// For longer than its patience.
bool BluezScanner::silent(const Seat &seat) const {
    return options_.watchdog.count() > 0 && Clock::now() >= seat.heard + seat.patience;
}

void BluezScanner::look_after(Seat &seat) {
    if (seat.state == State::pausing && Clock::now() >= seat.again)
        return seat.rung == Rung::restarting || silent(seat) ? cycle(seat) : start(seat);
    if (seat.state != State::scanning || !silent(seat)) return;
    constexpr unsigned tolerated = 2;
    return seat.restarts >= tolerated && !seat.cycled ? cycle(seat) : restart(seat);
}

void BluezScanner::restart(Seat &seat) {
    log_warning(label(seat) + ": no advertisement for " + in_seconds(seat.patience) +
                "; restarting discovery");
    seat.rung = Rung::restarting;
    seat.state = State::starting;
    ++seat.restarts;
    call(seat, adapter_method(seat, "StopDiscovery"), &BluezScanner::set_filter);
}

void BluezScanner::cycle(Seat &seat) {
    log_warning(label(seat) + ": no advertisement; switching it off and on");
    seat.rung = Rung::cycling;
    seat.state = State::starting;
    seat.cycled = true;
    call(seat, power(seat, false), &BluezScanner::cycle_on);
}

void BluezScanner::cycle_on(Seat &seat) {
    call(seat, power(seat, true), &BluezScanner::set_filter);
}

// The seat whose adapter the object is, or belongs to.
BluezScanner::Seat *BluezScanner::seat_of(std::string_view object_path) {
    const auto path = bluez_adapter(object_path);
    for (auto &seat : seats_)
        if (!path.empty() && seat.path == path) return &seat;
    return nullptr;
}

void BluezScanner::reset_watchdog(Seat &seat, milliseconds patience) {
    seat.heard = Clock::now();
    seat.patience = patience;
    seat.restarts = 0;
    seat.cycled = false;
    seat.backoff.reset();
}

bool BluezScanner::scans(std::uint16_t adapter) const {
    const auto path = std::string(bluez_root) + "hci" + std::to_string(adapter);
    return std::any_of(seats_.begin(), seats_.end(), [&](const Seat &seat) { return seat.path == path; });
}

void BluezScanner::heard(std::string_view adapter) {
    for (auto &seat : seats_)
        if (!seat.path.empty() && std::string_view(seat.path).substr(bluez_root.size()) == adapter)
            reset_watchdog(seat, options_.watchdog);
}

// Is a report of that device one of ours? Another program's discovery is not: there is no window yet.
bool BluezScanner::counts(std::string_view device) {
    auto *seat = seat_of(device);
    if (seat == nullptr || !listens(*seat)) return false;
    reset_watchdog(*seat, options_.watchdog);
    return true;
}

std::optional<LiveSource::Clock::time_point> BluezScanner::due() const {
    auto first = bus_.due();
    const auto at = [&](Clock::time_point time) { first = first ? std::min(*first, time) : time; };
    for (const auto &seat : seats_) {
        if (seat.state == State::pausing) at(seat.again);
        if (seat.state == State::scanning && options_.watchdog.count() > 0) at(seat.heard + seat.patience);
    }
    return first;
}

void BluezScanner::handle(ReportSink &sink) {
    reports_.use(sink);
    bus_.process();
    for (auto &seat : seats_) look_after(seat);
}

// A restart by the watchdog is short: it does not cut the window in hand.
bool BluezScanner::listens(const Seat &seat) {
    return seat.state == State::scanning || (seat.state == State::starting && seat.rung == Rung::restarting);
}

bool BluezScanner::listening() const {
    return std::any_of(seats_.begin(), seats_.end(), listens);
}

bool BluezScanner::alive() const {
    return std::all_of(seats_.begin(), seats_.end(), [this](const Seat &seat) {
        return seat.state == State::waiting || seat.state == State::scanning || !silent(seat);
    });
}

}  // namespace ble
