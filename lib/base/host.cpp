#include "base/host.hpp"

#include <sys/timex.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "base/digest.hpp"

namespace ble {
namespace {

// What images of systems for small computers are called until somebody gives them a name.
constexpr std::string_view usual_names[] = {
    "",       "(none)",    "alarm",         "archlinux", "armbian",   "buildroot", "debian",    "dietpi",
    "fedora", "host",      "homeassistant", "kali",      "libreelec", "linux",     "localhost", "openwrt",
    "pi",     "raspberry", "raspberrypi",   "raspbian",  "rpi",       "ubuntu",    "unknown",   "volumio"};
// These are called by their board, as in orangepizero2.
constexpr std::string_view usual_beginnings[] = {"orangepi", "bananapi", "nanopi", "odroid", "rockpi"};
// Of this purpose alone: other programs' digits of the same machine do not match these.
constexpr sd_id128_t purpose = SD_ID128_MAKE(4f, c1, 80, 2d, 9a, 6e, 4b, 73, 8d, 15, e0, 5a, 27, bc, 93, f6);
constexpr std::size_t digits_told = 6, longest = 50;

}  // namespace

bool is_usual_host_name(std::string_view host_name) {
    std::string name(host_name.substr(0, host_name.find('.')));  // without its domain
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::find(std::begin(usual_names), std::end(usual_names), name) != std::end(usual_names) ||
           std::any_of(std::begin(usual_beginnings), std::end(usual_beginnings),
                       [&](std::string_view beginning) { return name.starts_with(beginning); });
}

std::string machine_digits() {
    sd_id128_t id;
    if (::sd_id128_get_machine_app_specific(purpose, &id) < 0) return {};
    return hex(id.bytes).substr(0, digits_told);
}

std::string device_id_of(std::string_view host_name, std::string_view digits) {
    if (!is_usual_host_name(host_name) || digits.empty())
        return (host_name.size() < 3 ? "host-" : "") + std::string(host_name.substr(0, longest));
    const std::string_view name = host_name.empty() ? "host" : host_name;
    return std::string(name.substr(0, longest - 1 - digits.size())) + '-' + std::string(digits);
}

std::string host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

DefaultDeviceId default_device_id() {
    const std::string name = host_name();
    const std::string digits = is_usual_host_name(name) ? machine_digits() : "";
    return {device_id_of(name, digits),
            digits.empty() ? "the host name" : "the host name and digits of this machine",
            is_usual_host_name(name) && digits.empty()};
}

bool clock_synced() {
    timex state{};
    const int clock = ::adjtimex(&state);
    return clock >= 0 && clock != TIME_ERROR;  // less than 0: a sandbox does not let us ask
}

}  // namespace ble
