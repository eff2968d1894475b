// Stretches of windows that follow each other: the table stretches.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace ble {

// Which windows may follow each other. place 0: none told; clock: as in the table batches, -1 not told.
struct Series {
    std::int64_t device = 0, place = 0, clock = -1;
    auto operator<=>(const Series &) const = default;
};

// Milliseconds since 1970, and durations.
struct Window {
    Series series;
    std::int64_t end = 0, window_ms = 0, interval_ms = 0;
};

struct Stretch {
    std::int64_t first = 0;  // the end of its first window
    std::int64_t begin = 0;  // the start of that
    std::int64_t last = 0;   // the end of its last window
    std::int64_t windows = 0, listened_ms = 0;
    std::int64_t reach = 0;  // a window that ends no longer than this before `first` belongs to it
};

class StretchRows {
  public:
    virtual ~StretchRows() = default;

    // The last one whose `first` is no later; the first one whose `first` is later.
    virtual std::optional<Stretch> at(const Series &series, std::int64_t time) = 0;
    virtual std::optional<Stretch> after(const Series &series, std::int64_t time) = 0;
    virtual void put(const Series &series, const Stretch &stretch) = 0;  // over one with that `first`
    virtual void erase(const Series &series, std::int64_t first) = 0;
    // Of all Pis, with a part between these times.
    virtual std::vector<std::pair<Series, Stretch>> within(std::int64_t from, std::int64_t until) = 0;
};

}  // namespace ble
