// When each Pi's radio was listening: stretches of windows that follow each other, kept up with what is stored and
// deleted, so that to ask for some of them costs as much as is asked for, however many batches there are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "sqlite/database.hpp"

namespace ble {

// Works inside a transaction of the store. A window belongs to a stretch of its device, place and clock when it ends at
// most one and a half intervals after the one before it; in whatever order they come.
class Coverage {
  public:
    struct Window {
        std::int64_t device = 0, place = 0;  // 0: no place told
        std::int64_t clock = -1;             // as in the table batches; -1: not told
        std::int64_t end = 0;                // milliseconds since 1970
        std::int64_t window_ms = 0, interval_ms = 0;
    };

    explicit Coverage(Database &database);

    void add(const Window &window);
    // Its row in batches is gone already. A stretch that it held together is two from then on.
    void remove(const Window &window);
    void flush();   // writes what changed; before each commit and release
    void forget();  // a transaction begins, or a part of one was rolled back

  private:
    struct Stretch {
        std::int64_t first = 0;  // the end of its first window
        std::int64_t begin = 0;  // the start of that
        std::int64_t last = 0;   // the end of its last window
        std::int64_t windows = 0, listened_ms = 0;
        std::int64_t reach = 0;  // a window that ends no longer than this before `first` belongs to it
    };
    using Series = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // device, place, clock
    struct Hand {
        std::optional<Stretch> stretch, next;  // that of the window's time, and the one after it
        std::optional<std::int64_t> stored;    // the row that `stretch` has: its `first` at that time
        bool dirty = false;
    };

    Hand &take(const Window &window);
    std::optional<Stretch> read(Statement &statement, const Series &series, std::int64_t time);
    void write(const Series &series, Hand &hand);
    void insert(const Series &series, const Stretch &stretch);
    void shrink(const Window &window, Hand &hand);
    void split(const Window &window, Hand &hand);
    // Of the windows of that series which ended from … to.
    static void bind(Statement &statement, const Window &series, std::int64_t from, std::int64_t to);
    static std::optional<Window> ask(Statement &statement, const Window &series, std::int64_t from,
                                     std::int64_t to);

    Statement find_, find_next_, insert_, delete_, first_window_, last_window_, sum_;
    std::map<Series, Hand> hands_;
};

}  // namespace ble
