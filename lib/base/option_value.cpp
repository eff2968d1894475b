#include "base/option_value.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

namespace ble {

using std::chrono::milliseconds;

std::int64_t to_number(const std::string &text, std::int64_t least, std::int64_t most) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
        throw "a whole number from " + std::to_string(least) + " to " + std::to_string(most) + " is expected";
    return value;
}

milliseconds to_duration(const std::string &text) {
    constexpr std::pair<const char *, double> units[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                                                         {"h", 3'600'000}, {"d", 86'400'000}, {"", 1000}};
    constexpr double longest = 100.0 * 365 * 86'400'000;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const auto found =
        std::find_if(std::begin(units), std::end(units), [&](const auto &u) { return unit == u.first; });
    if (error != std::errc() || found == std::end(units) || !(value >= 0) || value * found->second > longest)
        throw std::string("seconds are expected, as in 10, 0.5, 250ms, 2m, 24h or 90d");
    const milliseconds rounded(std::llround(value * found->second));
    return value > 0 ? std::max(rounded, milliseconds(1)) : rounded;  // 0 may mean: never
}

Time to_moment(const std::string &text) {
    if (const auto time = parse_rfc3339(text)) return *time;
    if (const auto day = parse_rfc3339(text + "T00:00:00Z")) return *day;
    try {
        return now() - to_duration(text);
    } catch (const std::string &) {
        throw std::string(
            "a time is expected, as 2026-11-22T06:30:00Z or 2026-11-22, or how long ago, as 24h");
    }
}

milliseconds to_days(const std::string &text) {
    const bool bare =
        !text.empty() && (std::isdigit(static_cast<unsigned char>(text.back())) || text.back() == '.');
    try {
        return to_duration(bare ? text + "d" : text);
    } catch (const std::string &) {
        throw std::string("days are expected, as in 90 or 0.5; or hours, as in 12h");
    }
}

bool to_bool(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto *yes : {"true", "yes", "on", "1"})
        if (text == yes) return true;
    for (const auto *no : {"false", "no", "off", "0"})
        if (text == no) return false;
    throw std::string("true or false is expected");
}

std::string duration_text(milliseconds value) {
    if (value.count() == 0) return "0";
    if (value.count() % 86'400'000 == 0) return std::to_string(value.count() / 86'400'000) + "d";
    if (value.count() % 1000 == 0) return std::to_string(value.count() / 1000);
    return std::to_string(value.count()) + "ms";
}

LogLevel to_log_level(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (text == "debug") return LogLevel::debug;
    if (text == "info") return LogLevel::info;
    if (text == "warning" || text == "warn") return LogLevel::warning;
    if (text == "error" || text == "critical") return LogLevel::error;
    throw std::string("debug, info, warning or error is expected");
}

}  // namespace ble
