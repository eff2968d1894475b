#include "radio/scanner.hpp"

#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>

#include "batch/json_text.hpp"

namespace ble {

std::string default_device_id() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    const std::string id = name;
    return id.size() < 3 ? "host-" + id : id.substr(0, 50);
}

bool is_text(std::string_view text, std::size_t least, std::size_t most) {
    const auto starts_character = [](char c) { return (c & 0xc0) != 0x80; };
    const auto characters =
        static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
    return is_utf8(text) && characters >= least && characters <= most;
}

bool clock_synced() {
    timex state{};
    return ::adjtimex(&state) != TIME_ERROR;
}

}  // namespace ble
