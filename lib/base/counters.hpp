// What a tool counts, under the same names in every stage of a pipeline. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <deque>
#include <optional>
#include <string>

#include "base/exposition.hpp"
#include "base/reading.hpp"
#include "base/timestamp.hpp"

namespace ble {

struct Counters {
    std::atomic<std::uint64_t> in{0};        // batches, messages or reports taken in
    std::atomic<std::uint64_t> out{0};       // finally delivered, stored or written
    std::atomic<std::uint64_t> dropped{0};   // dropped by the tool: full buffer, slow reader
    std::atomic<std::uint64_t> rejected{0};  // set aside: not valid
    std::atomic<std::uint64_t> torn{0};      // unterminated tails

    Reading queued, oldest_ms;  // waiting now, and the age of the oldest of them (0: none waits)
    Reading capacity;           // how many can wait
    Reading connected;          // to the peer: 1 or 0

    Reading expired;    // deleted because they were old
    Reading conflicts;  // other contents under a known name
    Reading
        collisions;  // transactions that the database undid because of another one, and that were done again
    // Of `in`: reports without data of addresses that were never heard before, as a failing adapter invents them.
    Reading blank;
    Reading clock_synchronised;  // 1 or 0: the kernel says so of the clock that times are taken from

    // Reports that were hidden on request, and by what: UTF-8 without control characters. Entries are added before
    // anybody prints.
    struct Hidden {
        std::string by;
        std::atomic<std::uint64_t> reports{0};
    };
    std::deque<Hidden> hidden;

    // A batch with this end of its window was handed on. The last one counts and not the latest, so that a Pi whose clock is
    // ahead does not hide the others for ever. Without a time nothing changes.
    void note_window(const std::optional<Time> &end);
    std::optional<std::chrono::milliseconds> newest_window() const;  // since 1970

    // A scan begins, or the radio has heard something.
    void note_radio();
    std::optional<std::chrono::milliseconds> radio_silence() const;  // since the last note_radio()

    // {"tool":"blesend","in":…,"out":…,"dropped":…,"rejected":…,"torn":…,"queued":…,"oldest_ms":…} (what is not known is 0) and, when there is any, "expired":…, "conflicts":…, "collisions":…, "blank":… and "hidden":{BY:…}
    std::string json(const std::string &tool) const;

  private:
    Reading newest_window_ms_, radio_heard_ms_;  // since 1970; by the steady clock
};

// Times beside the counters, in seconds since 1970; 0: not yet.
struct Moments {
    std::time_t started = 0, last_out = 0;
};

// All that is known, as blepipe(7) lists it; times in seconds, and at the end the program's version. What is not known is left out.
void tell_metrics(const Counters &counters, const Moments &moments, Exposition &to);

}  // namespace ble
