// Stretches of windows that follow each other, and the windows that they are made of: the tables stretches and batches.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

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
    struct Sum {
        std::int64_t windows = 0, listened_ms = 0;
    };

    virtual ~StretchRows() = default;

    // The last one whose `first` is no later; the first one whose `first` is later.
    virtual std::optional<Stretch> at(const Series &series, std::int64_t time) = 0;
    virtual std::optional<Stretch> after(const Series &series, std::int64_t time) = 0;
    virtual void put(const Series &series, const Stretch &stretch) = 0;  // over one with that `first`
    virtual void erase(const Series &series, std::int64_t first) = 0;

    // Of the stored windows that ended from … to. What others have in that time costs nothing.
    virtual std::optional<Window> first_window(const Series &series, std::int64_t from, std::int64_t to) = 0;
    virtual std::optional<Window> last_window(const Series &series, std::int64_t from, std::int64_t to) = 0;
    virtual Sum sum(const Series &series, std::int64_t from, std::int64_t to) = 0;
};

}  // namespace ble
