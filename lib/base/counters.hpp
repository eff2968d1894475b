// What a tool counts, under the same names in every stage of a pipeline. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>

namespace ble {

struct Counters {
    std::atomic<std::uint64_t> in{0};         // batches, messages or reports taken in
    std::atomic<std::uint64_t> out{0};        // handed on for good: delivered, stored, written
    std::atomic<std::uint64_t> dropped{0};    // lost knowingly: full buffer, slow reader
    std::atomic<std::uint64_t> rejected{0};   // set aside: not valid
    std::atomic<std::uint64_t> torn{0};       // unterminated tails
    std::atomic<std::uint64_t> queued{0};     // waiting now
    std::atomic<std::uint64_t> oldest_ms{0};  // age of the oldest that waits

    std::atomic<std::uint64_t> expired{0};  // deleted because they were old

    // Of those taken in: reports without data of addresses that were never heard before, which a failing adapter makes up.
    std::atomic<std::uint64_t> blank{0};

    // Reports that were hidden on request, and by what: UTF-8 without control characters. Entries are added before
    // anybody prints.
    struct Hidden {
        std::string by;
        std::atomic<std::uint64_t> reports{0};
    };
    std::deque<Hidden> hidden;

    // {"tool":"blesend","in":…,"out":…,"dropped":…,"rejected":…,"torn":…,"queued":…,"oldest_ms":…} and, when there is any, "expired":…, "blank":… and "hidden":{BY:…}
    std::string json(const std::string &tool) const;
    // The same as a Prometheus text exposition: blepipe_in_total{tool="blesend"} …
    std::string prometheus(const std::string &tool) const;
};

}  // namespace ble
