#include "top/marks.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace ble {
namespace {

constexpr int weakest = -100, strongest = -40;
constexpr std::array<const char *, 9> bars = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
constexpr std::array<const char *, 8> levels = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char *, 8> ascii_levels = {"_", ".", ":", "-", "=", "+", "*", "#"};

// Of `steps`, rounded.
std::size_t step_of(int rssi_dbm, std::size_t steps) {
    const auto above = static_cast<std::size_t>(std::clamp(rssi_dbm, weakest, strongest) - weakest);
    constexpr std::size_t range = strongest - weakest;
    return (above * steps + range / 2) / range;
}

}  // namespace

std::string rssi_bar(int rssi_dbm, std::size_t columns, bool utf8) {
    std::string out;
    if (!utf8) {
        const auto full = step_of(rssi_dbm, columns);
        return std::string(full, '#') + std::string(columns - full, ' ');
    }
    const auto eighths = step_of(rssi_dbm, columns * 8);
    for (std::size_t i = 0; i < eighths / 8; ++i) out += bars.back();
    out += bars[eighths % 8];
    const std::size_t used = eighths / 8 + (eighths % 8 > 0 ? 1 : 0);
    return out.append(columns - used, ' ');
}

std::string rssi_line(std::span<const std::optional<int>> values, bool utf8) {
    std::string out;
    for (const auto &value : values)
        out += !value ? " " : (utf8 ? levels : ascii_levels)[step_of(*value, levels.size() - 1)];
    return out;
}

std::string short_time(std::chrono::milliseconds time) {
    const long long s = std::max<long long>(0, std::chrono::floor<std::chrono::seconds>(time).count());
    char text[32];
    if (s < 60)
        std::snprintf(text, sizeof text, "%lld s", s);
    else if (s < 3600)
        std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
    else if (s < 86'400)
        std::snprintf(text, sizeof text, "%lldh%02lld", s / 3600, s / 60 % 60);
    else
        std::snprintf(text, sizeof text, "%lld d", s / 86'400);
    return text;
}

}  // namespace ble
