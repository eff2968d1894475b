// Spool: the queue of messages that wait to be delivered, in order. It knows no transport.
//
// It has a limit of number and, optionally, of age. What it drops or must give up becomes gap lines. These
// are messages like any other but do not count for the limit; they take the place of the batches that they report, so they go out before
// later batches. One thread. A spool on disk may block on it, and throws Error(io) when its file can no longer be read or is taken away.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clocks.hpp"

namespace ble {

enum class WhenFull {
    wait,  // take no more than there is room for
    drop,  // make room by dropping the oldest that is not in flight
};

// Why a spool drops a batch by itself.
enum class Cause {
    full,  // there is no room for it: reason "buffer_full"
    age,   // it is too old: reason "expired"
};

class Spool {
  public:
    struct Entry {
        std::uint64_t id;       // grows in the order of delivery
        std::string_view line;  // valid until the entry is removed or given back
    };
    struct Loss {                   // as far back as the spool remembers
        std::uint64_t dropped = 0;  // batches for which there was no room
        std::uint64_t expired = 0;  // batches that were too old
        std::uint64_t unnamed = 0;  // those among both without run_id and seq: no gap line can tell of them

        void count(Cause cause) { ++(cause == Cause::age ? expired : dropped); }
        bool operator==(const Loss &) const = default;
    };
    // How long the machine is up, for tests. Ages are measured by it.
    using Now = std::function<UptimeClock::time_point()>;
    static constexpr std::size_t most_expired = 1000;

    virtual ~Spool() = default;

    // Takes lines (each a valid batch or gap, without LF), in order; returns how many. Where there is no room, those that are
    // too old make some, whatever `when_full` says. When this returns they are as safe as this spool makes them: the caller
    // may now consume them from its input. Copies the bytes. 0 though there is room: they cannot be made safe now (the disk
    // is full), which the log says; try again.
    virtual std::size_t push(std::span<const std::string_view> lines, WhenFull when_full) = 0;

    // The oldest that is not in flight; from now on it is in flight, and is not dropped. Empty: none waits.
    virtual std::optional<Entry> next() = 0;
    // Drops what is too old of the batches that wait and whose turn it is, so many of them (most_expired) at most: true says
    // that there may be more, and that nothing should be sent before. So a long backlog becomes one gap line for each run and
    // holds up nobody for long. False though there are some: that many gap lines wait already, or the disk is full, and they
    // are delivered instead.
    virtual bool expire() = 0;
    // The line of an entry in flight.
    virtual std::string_view line(std::uint64_t id) const = 0;
    // Ends an entry in flight: it is delivered.
    virtual void remove(std::uint64_t id) = 0;
    // Ends an entry in flight that will never be taken. A batch becomes a gap line, for this reason and in its place. A
    // gap line is just removed, or one refusal could follow another without end.
    virtual void give_up(std::uint64_t id, const std::string &reason) = 0;
    // Puts an entry that is in flight back to its old place.
    virtual void give_back(std::uint64_t id) = 0;
    // Does postponed work that is due. Call it now and then.
    virtual void settle() {}

    virtual std::size_t size() const = 0;  // all entries: waiting, in flight, gap lines
    virtual std::size_t in_flight() const = 0;
    virtual bool full() const = 0;  // the next batch needs room to be made
    virtual std::size_t capacity()
        const = 0;  // batches it can hold; about, when it is bounded in bytes as well
    virtual std::chrono::milliseconds oldest_age() const = 0;  // in the spool; 0 when empty
    virtual Loss loss() const = 0;
    virtual bool durable() const { return false; }  // what it holds outlives the process
    // For people: "100 batches in memory, …".
    virtual std::string description() const = 0;
};

}  // namespace ble
