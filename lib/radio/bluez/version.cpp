#include "radio/bluez/version.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/log.hpp"

namespace ble {

// Debian keeps it outside of $PATH.
std::string version_of_bluetoothd() {
    const auto close = [](FILE *stream) { ::pclose(stream); };
    const std::unique_ptr<FILE, decltype(close)> said(
        ::popen("PATH=$PATH:/usr/libexec/bluetooth:/usr/lib/bluetooth bluetoothd --version 2>/dev/null",
                "re"),
        close);
    char text[32] = {};
    if (!said || std::fgets(text, sizeof text, said.get()) == nullptr) return {};
    return printable(std::string_view(text, std::strcspn(text, "\n")));
}

bool takes_advertisements_apart(const std::string &version) {
    unsigned major = 0, minor = 0;
    const char *const end = version.data() + version.size();
    const auto first = std::from_chars(version.data(), end, major);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return true;
    if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc()) return true;
    return major > 5 || (major == 5 && minor >= 69);
}

}  // namespace ble
