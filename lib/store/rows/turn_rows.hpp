// Which of a device's runs has the turn (lib/store/twin_watch.hpp): the table turns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ble {

struct Turn {
    std::int64_t run = 0,
                 at = 0;  // 0: nobody had it yet. at: the end of its latest window, milliseconds since 1970
};

// Two runs of a device were met at it at once.
struct Meeting {
    std::int64_t device, other, now_ms;
    // It is the same occasion as the one before when that was at most so long ago, or is no more than that to come.
    std::int64_t most_ago_ms, most_ahead_ms;
};

class TurnRows {
  public:
    virtual ~TurnRows() = default;

    virtual Turn find(std::int64_t device) = 0;
    virtual void take(std::int64_t device, const Turn &turn) = 0;
    virtual void move(std::int64_t device, std::int64_t at) = 0;
    virtual void meet(const Meeting &meeting) = 0;

    // How often the run took the turn back; empty: it has not had it yet.
    virtual std::optional<std::int64_t> returns(std::int64_t run) = 0;
    virtual void set_returns(std::int64_t run, std::int64_t returns) = 0;
    virtual std::string run_id(std::int64_t run) = 0;  // empty: there is no such run
};

}  // namespace ble
