#include "radio/bluez/scanner.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {

namespace {

constexpr auto service = "org.bluez";
constexpr auto adapter_interface = "org.bluez.Adapter1", device_interface = "org.bluez.Device1";
constexpr auto properties_interface = "org.freedesktop.DBus.Properties";
constexpr auto objects_interface = "org.freedesktop.DBus.ObjectManager";

bool same_address(const std::string &one, const std::string &other) {
    const auto a = parse_address(one), b = parse_address(other);
    return a && b && a->number() == b->number();
}

}  // namespace

BluezScanner::BluezScanner(const BluezOptions &options, Counters &counters, const Started &started)
    : options_(options),
      counters_(counters),
      reports_(bus_, options.passive, counters,
               [this](std::string_view device, const Report &report) { return counts(device, report); }) {
    auto wanted = options_.adapters;
    if (wanted.empty()) wanted.emplace_back("any");
    for (const auto &one : wanted)
        seats_.emplace_back(
            one, bus_, "/blepipe/scan" + std::to_string(seats_.size()),
            AdapterScan::Options{options_.watchdog, options_.passive, options_.reports},
            AdapterScan::Callbacks{started, [this](const std::string &device) { reports_.found(device); }});
    counters_.blank = 0;
    counters_.note_radio();
    subscribe();
    list_objects();
}

BluezScanner::~BluezScanner() {
    for (auto &seat : seats_) {
        try {
            seat.scan.stop();
        } catch (const Error &) {  // the bus is gone, and with it the scan
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
    check_permission(answer);
    if (answer.failed()) {
        if (chosen_)
            return log_info("bluetoothd does not answer (" + printable(answer.text) + "); waiting for it");
        throw Error(ExitCode::unavailable,
                    "bluetoothd does not answer (" + printable(answer.text) +
                        "); try: systemctl start bluetooth, or install the package bluez");
    }
    read_objects(answer.message, [&](const std::string &path) { read_object(path, answer.message, true); });
    choose_adapters();
}

void BluezScanner::owner_changed(const std::string &owner) {
    adapters_.clear();
    reports_.clear();
    for (auto &seat : seats_) seat.scan.detach("bluetoothd is gone");
    if (!owner.empty()) list_objects();
}

void BluezScanner::object_added(sd_bus_message *m) {
    const auto path = read_word(m);
    read_object(path, m, false);
    if (chosen_) choose_adapters();
}

// At the object's interfaces.
void BluezScanner::read_object(const std::string &path, sd_bus_message *m, bool listed) {
    const bool whole = read_interfaces(m, [&](std::string_view interface) {
        if (interface == device_interface && options_.reports && (listed || seat_of(path) != nullptr)) {
            listed ? reports_.known(path, m) : reports_.added(path, m);
            return true;
        }
        if (interface != adapter_interface || !path.starts_with(bluez_root)) return false;
        AdapterChange state;
        if (!read_adapter(m, state)) return false;
        adapters_[path] = state;
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
    if (auto *seat = seat_of(path)) {
        seat->scan.detach(label(path) + " is gone");
        reports_.clear();
    }
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
    auto &known = adapters_[path];
    if (change.powered) known.powered = change.powered;
    if (change.discovering) known.discovering = change.discovering;
    if (auto *seat = seat_of(path)) seat->scan.changed(change);
}

// An adapter, for people.
std::string BluezScanner::label(const std::string &path) const {
    return path.substr(bluez_root.size()) + " (" + adapters_.at(path).address.value_or("?") + ")";
}

// All that are there.
std::string BluezScanner::there() const {
    std::string text;
    for (const auto &[path, adapter] : adapters_) text += (text.empty() ? "" : ", ") + label(path);
    return text;
}

void BluezScanner::choose_adapters() {
    for (const auto by : {By::address, By::name, By::chance})
        for (auto &seat : seats_)
            if (!seat.scan.attached() && take(seat, by) && chosen_) seat.scan.start();
    if (chosen_) return;
    if (adapters_.empty())
        throw Error(ExitCode::unavailable,
                    "bluetoothd has no Bluetooth adapter; plug one in, or try: rfkill list bluetooth, "
                    "dmesg | grep -i bluetooth");
    for (const auto &seat : seats_)
        if (!seat.scan.attached())
            throw Error(ExitCode::unavailable, "there is no adapter " + printable(seat.wanted) +
                                                   (seat.wanted == "any" ? " that is free" : "") +
                                                   "; there are: " + there());
    chosen_ = true;
    for (auto &seat : seats_) seat.scan.start();
}

// Finds an adapter for the seat that no other seat has or waits for.
bool BluezScanner::take(Seat &seat, By by) {
    for (const auto &[path, adapter] : adapters_) {
        const auto address = adapter.address.value_or("");
        const auto claims = [&, &path = path](const Seat &other) {
            return &other != &seat && (other.scan.path() == path || same_address(other.address, address));
        };
        if (std::any_of(seats_.begin(), seats_.end(), claims)) continue;
        const bool fits = by == By::address
                              ? same_address(seat.address, address) || same_address(seat.wanted, address)
                          : by == By::name ? seat.wanted == path.substr(bluez_root.size())
                                           : seat.wanted == "any";
        if (!fits) continue;
        seat.address = address;
        seat.scan.attach(path, label(path), adapter);
        return true;
    }
    return false;
}

// The seat whose adapter the object is, or belongs to.
BluezScanner::Seat *BluezScanner::seat_of(std::string_view object_path) {
    const auto path = bluez_adapter(object_path);
    for (auto &seat : seats_)
        if (!path.empty() && seat.scan.path() == path) return &seat;
    return nullptr;
}

bool BluezScanner::scans(std::uint16_t adapter) {
    return seat_of(std::string(bluez_root) + "hci" + std::to_string(adapter)) != nullptr;
}

void BluezScanner::heard(const Report &report) {
    if (auto *seat = seat_of(std::string(bluez_root).append(report.adapter))) heard(*seat, report);
}

void BluezScanner::heard(Seat &seat, const Report &report) {
    if (!seat.signs.is(report.address.number(), !report.data.empty())) {
        ++counters_.blank;
        return;
    }
    seat.scan.heard();
    counters_.note_radio();
}

// Is a report of that device one of ours? Another program's discovery is not: there is no window yet.
bool BluezScanner::counts(std::string_view device, const Report &report) {
    auto *seat = seat_of(device);
    if (seat == nullptr || !seat->scan.listens()) return false;
    heard(*seat, report);
    return true;
}

std::optional<LiveSource::Clock::time_point> BluezScanner::due() const {
    auto first = bus_.due();
    for (const auto &seat : seats_)
        if (const auto due = seat.scan.due()) first = first ? std::min(*first, *due) : *due;
    return first;
}

void BluezScanner::handle(Time present, ReportSink &sink) {
    reports_.use(present, sink);
    bus_.process();
    for (auto &seat : seats_) seat.scan.look_after();
}

bool BluezScanner::listening() const {
    return std::any_of(seats_.begin(), seats_.end(), [](const Seat &seat) { return seat.scan.listens(); });
}

std::string BluezScanner::scanning() const {
    std::string text;
    for (const auto &seat : seats_)
        if (seat.scan.listens()) text.append(text.empty() ? "" : ", ").append(seat.scan.label());
    return text;
}

bool BluezScanner::alive() const {
    return std::all_of(seats_.begin(), seats_.end(), [](const Seat &seat) { return seat.scan.alive(); });
}

}  // namespace ble
