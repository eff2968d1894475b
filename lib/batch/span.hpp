// When something was, by the clock of a Pi.
#pragma once

#include <optional>

#include "base/timestamp.hpp"

namespace ble {

struct Span {
    std::optional<Time> from,
        to;  // absent: not known. A clock that was set in between may put `to` before `from`
    std::optional<bool> clock_synced;  // false: not at each end; absent: not told of each

    bool operator==(const Span &) const = default;
};

// Was the clock called synchronised at both ends of a span?
constexpr std::optional<bool> both_synced(std::optional<bool> one, std::optional<bool> other) {
    if (one == std::optional(false) || other == std::optional(false)) return false;
    return one && other ? std::optional(true) : std::nullopt;
}

}  // namespace ble
