#include "radio/bluez/doctor.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "radio/bluez/advertisement_monitors.hpp"
#include "radio/bluez/bus.hpp"
#include "radio/bluez/monitor_socket.hpp"
#include "radio/bluez/properties.hpp"
#include "radio/bluez/version.hpp"

namespace ble {
namespace {

using std::chrono::seconds;

constexpr seconds patience(5);  // with bluetoothd
constexpr const char *bluez = "org.bluez";

std::string word_in(const std::filesystem::path &path) {
    std::ifstream file(path);
    std::string word;
    file >> word;
    return word;
}

std::vector<std::filesystem::path> entries(const char *folder) {
    std::vector<std::filesystem::path> found;
    std::error_code absent;
    for (const auto &entry : std::filesystem::directory_iterator(folder, absent))
        found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
}

std::string join(const std::vector<std::string> &parts) {
    std::string text;
    for (const auto &part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
}

// Of <bluetooth/bluetooth.h>, which is not part of the kernel's headers.
constexpr int protocol_hci = 1;

Finding check_kernel() {
    const UniqueFd socket(::socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, protocol_hci));
    if (!socket && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT))
        return Finding::failed("kernel", "no Bluetooth in this kernel",
                               "sudo modprobe bluetooth, or install its modules");
    std::vector<std::string> controllers;
    for (const auto &path : entries("/sys/class/bluetooth"))
        if (const auto name = path.filename().string(); name.find(':') == std::string::npos)
            controllers.push_back(name);
    if (controllers.empty())
        return Finding::failed(
            "kernel", "Bluetooth, and no controller",
            "plug one in; on a Raspberry Pi: remove dtoverlay=disable-bt from /boot/firmware/config.txt, "
            "see dmesg | grep -i bluetooth");
    return Finding::ok("kernel", "Bluetooth, controllers: " + join(controllers));
}

Finding check_rfkill() {
    std::vector<std::string> soft, hard;
    bool any = false;
    for (const auto &path : entries("/sys/class/rfkill")) {
        if (word_in(path / "type") != "bluetooth") continue;
        any = true;
        const auto name = word_in(path / "name");
        if (word_in(path / "hard") == "1")
            hard.push_back(name);
        else if (word_in(path / "soft") == "1")
            soft.push_back(name);
    }
    if (!hard.empty())
        return Finding::failed("rfkill", "switched off by hardware: " + join(hard),
                               "use the switch or key of the machine");
    if (!soft.empty())
        return Finding::failed("rfkill", "blocked: " + join(soft), "sudo rfkill unblock bluetooth");
    return Finding::ok("rfkill", any ? "nothing blocked" : "nothing to block");
}

// One call, answered or not.
struct Answer {
    bool came = false;
    std::string error, text;
};

// `read` sees the answer when it is no error.
Answer ask(Bus &bus, BusMessage message, const std::function<void(sd_bus_message *)> &read) {
    Answer answer;
    bus.send(std::move(message), [&](const BusAnswer &got) {
        answer = {true, got.error, got.text};
        if (!got.failed()) read(got.message);
    });
    const auto end = Bus::Clock::now() + patience;
    for (bus.process(); !answer.came && Bus::Clock::now() < end; bus.process()) {
        pollfd fd{bus.fd(), bus.events(), 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Bus::Clock::now());
        ::poll(&fd, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    }
    return answer;
}

struct Adapter {
    std::string name;
    AdapterChange state;
    bool monitors = false;  // offers AdvertisementMonitorManager1
};

struct Service {
    Answer owner, objects;
    std::vector<Adapter> adapters;
};

Service ask_bluez(Bus &bus) {
    Service service;
    auto who =
        bus.method("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner");
    sd_bus_message_append(who.get(), "s", bluez);
    service.owner = ask(bus, std::move(who), [](sd_bus_message *) {});
    if (!service.owner.came || !service.owner.error.empty()) return service;
    auto objects = bus.method(bluez, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
    service.objects = ask(bus, std::move(objects), [&](sd_bus_message *message) {
        read_objects(message, [&](const std::string &path) {
            Adapter adapter{path.substr(path.rfind('/') + 1), {}, false};
            bool is_adapter = false;
            read_interfaces(message, [&](std::string_view interface) {
                adapter.monitors = adapter.monitors || interface == "org.bluez.AdvertisementMonitorManager1";
                if (interface != "org.bluez.Adapter1") return false;
                is_adapter = true;
                return read_adapter(message, adapter.state);
            });
            if (is_adapter) service.adapters.push_back(std::move(adapter));
        });
    });
    return service;
}

Finding check_service(const Service &service, const std::string &version) {
    constexpr const char *name = "bluetoothd";
    const std::string which = version.empty() ? "bluetoothd" : "bluetoothd " + version;
    if (!service.owner.came) return Finding::failed(name, "D-Bus does not answer", "systemctl status dbus");
    if (!service.owner.error.empty())
        return Finding::failed(name, which + (version.empty() ? ": not found, not running" : ": not running"),
                               version.empty()
                                   ? "sudo apt install bluez && sudo systemctl enable --now bluetooth"
                                   : "sudo systemctl enable --now bluetooth; journalctl -u bluetooth");
    return Finding::ok(name, which + " is running");
}

Finding check_permission(const Service &service) {
    constexpr const char *name = "permission";
    if (!service.owner.came || !service.owner.error.empty()) return Finding::unknown(name);
    if (!service.objects.came)
        return Finding::failed(name, "bluetoothd does not answer", "sudo systemctl restart bluetooth");
    if (!service.objects.error.empty())
        return Finding::failed(
            name, "refused: " + service.objects.text,
            "sudo usermod -aG bluetooth $USER, and log in anew; a service: SupplementaryGroups=bluetooth");
    return Finding::ok(name, "we may talk to bluetoothd");
}

Finding check_adapters(const Service &service) {
    constexpr const char *name = "adapters";
    if (!service.objects.came || !service.objects.error.empty()) return Finding::unknown(name);
    if (service.adapters.empty())
        return Finding::failed(name, "bluetoothd knows none",
                               "see the check of the kernel; sudo systemctl restart bluetooth");
    std::vector<std::string> all;
    bool off = false;
    for (const auto &adapter : service.adapters) {
        const bool powered = adapter.state.powered.value_or(false);
        off = off || !powered;
        all.push_back(adapter.name + " " + adapter.state.address.value_or("?") +
                      (!powered                                    ? " off"
                       : adapter.state.discovering.value_or(false) ? " discovering"
                                                                   : " on"));
    }
    if (off)
        return Finding::warning(name, join(all),
                                "blescan switches on what it uses; by hand: bluetoothctl power on");
    return Finding::ok(name, join(all));
}

Finding check_monitors(const Service &service, const std::string &version) {
    constexpr const char *name = "passive";
    if (service.adapters.empty()) return Finding::unknown(name);
    const bool all = std::all_of(service.adapters.begin(), service.adapters.end(),
                                 [](const Adapter &adapter) { return adapter.monitors; });
    if (all && takes_advertisements_apart(version))
        return Finding::warning(name,
                                "advertisement monitors are offered: --passive, which by bluetoothd alone " +
                                    std::string(AdvertisementMonitors::deaf_to),
                                "to hear all: --passive --source monitor");
    if (all) return Finding::ok(name, "advertisement monitors are offered: --passive");
    return Finding::warning(
        name, "no advertisement monitors, which only --passive needs",
        "Experimental = true in /etc/bluetooth/main.conf; sudo systemctl restart bluetooth");
}

// bluetoothd has the buffer that was the default when it started.
Finding check_buffer() {
    constexpr const char *name = "buffer";
    constexpr long enough = 4 << 20, small = 1 << 20;
    const auto size = word_in("/proc/sys/net/core/rmem_default");
    if (size.empty()) return Finding::unknown(name);
    const auto found = "net.core.rmem_default is " + size;
    if (std::strtol(size.c_str(), nullptr, 10) >= small) return Finding::ok(name, found);
    return Finding::warning(
        name, found + ": in a crowd bluetoothd may miss that a discovery has ended, and scan no more",
        "echo net.core.rmem_default=" + std::to_string(enough) +
            " | sudo tee /etc/sysctl.d/60-bluetooth.conf; sudo sysctl --system; "
            "sudo systemctl restart bluetooth");
}

Finding check_monitor_channel() {
    try {
        const MonitorSocket socket;
        return Finding::ok("monitor", "we may listen to every report: --source monitor");
    } catch (const Error &error) {
        if (error.code() == ExitCode::unavailable) return Finding::unknown("monitor");
        return Finding::warning("monitor", error.what(), {});
    }
}

}  // namespace

Findings examine_radio() {
    Findings checks{check_kernel(), check_rfkill()};
    const auto version = version_of_bluetoothd();
    Service service;
    try {
        Bus bus;
        service = ask_bluez(bus);
        checks.push_back(Finding::ok("D-Bus", "the system's bus answers"));
        checks.push_back(check_service(service, version));
    } catch (const Error &error) {
        checks.push_back(Finding::failed("D-Bus", error.what(),
                                         "sudo systemctl start dbus; in a container: mount /run/dbus"));
        checks.push_back(Finding::unknown("bluetoothd"));
    }
    checks.push_back(check_permission(service));
    checks.push_back(check_adapters(service));
    checks.push_back(check_monitors(service, version));
    checks.push_back(check_buffer());
    checks.push_back(check_monitor_channel());
    checks.push_back(examine_clock());
    return checks;
}

}  // namespace ble
