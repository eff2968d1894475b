#include "base/host.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
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
constexpr sd_id128_t purpose{
    {0x4f, 0xc1, 0x80, 0x2d, 0x9a, 0x6e, 0x4b, 0x73, 0x8d, 0x15, 0xe0, 0x5a, 0x27, 0xbc, 0x93, 0xf6}};
constexpr std::size_t digits_told = 6, longest = 50;

constexpr std::size_t longest_name = 253;  // RFC 1035, 2.3.4, as text

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr int highest_port = 65'535;

// Of digits; higher than there is: not a port.
int port_of(std::string_view digits) {
    int value = 0;
    for (const char c : digits) {
        if (!is_digit(c)) return highest_port + 1;
        value = std::min(value * 10 + (c - '0'), highest_port + 1);
    }
    return value;
}

// Not empty, nor any part of it between dots.
bool is_name(std::string_view text) {
    char before = '.';
    for (const char c : text) {
        if (c == '.' ? before == '.' : !is_digit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_')
            return false;
        before = c;
    }
    return before != '.' && text.size() <= longest_name;
}

bool is_address(int family, const std::string &text) {
    in6_addr storage{};
    return text.find('\0') == text.npos && ::inet_pton(family, text.c_str(), &storage) == 1;
}

}  // namespace

std::optional<UriHost> parse_uri_host(std::string_view text) {
    const bool bracketed = text.starts_with('[');
    const auto end = text.find(bracketed ? ']' : ':');
    if (bracketed && end == text.npos) return {};
    std::string host(bracketed ? text.substr(1, end - 1) : text.substr(0, end));
    const auto rest = end == text.npos ? std::string_view() : text.substr(end + (bracketed ? 1 : 0));
    std::optional<int> port;
    if (rest.size() > 1) port = port_of(rest.substr(1));
    if ((!rest.empty() && rest.front() != ':') || port > highest_port) return {};
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool address = is_address(bracketed ? AF_INET6 : AF_INET, host);
    if (!address && (bracketed || !is_name(host))) return {};
    return UriHost{std::move(host), address, port};
}

bool is_own_machine(const std::string &host) {
    if (host == "localhost") return true;
    in_addr v4{};
    if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
    in6_addr v6{};
    return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

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

std::optional<bool> kernel_clock_synced() {
    timex state{};
    const int clock = ::adjtimex(&state);
    if (clock < 0) return {};
    return clock != TIME_ERROR;
}

}  // namespace ble
