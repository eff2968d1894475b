// When each Pi's radio listened: stretches of windows that follow each other, updated as batches are stored,
// so that a question costs only as much as its answer, however many batches there are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "store/rows/stretch_rows.hpp"

namespace ble {

// Works inside a transaction of the store. A window belongs to a stretch of its device, place and clock when it ends at
// most one and a half intervals after the one before it; in whatever order they come.
class Coverage {
  public:
    explicit Coverage(StretchRows &rows);

    void add(const Window &window);
    bool holds(const Window &window);  // is its time part of a stretch?
    // Takes that time out of all stretches; what is left of one keeps its share of windows. They stay as long as rollups do: of a time whose
    // details are deleted it is still known who listened.
    void cut(std::int64_t from, std::int64_t until);
    void flush();   // writes what changed; before each commit and release
    void forget();  // a transaction begins, or a part of one was rolled back

  private:
    struct Hand {
        std::optional<Stretch> stretch, next;  // that of the window's time, and the one after it
        std::optional<std::int64_t> stored;    // the row that `stretch` has: its `first` at that time
        bool dirty = false;
    };

    Hand &take(const Window &window);
    void write(const Series &series, Hand &hand);

    StretchRows &rows_;
    std::map<Series, Hand> hands_;
};

}  // namespace ble
