// Between which times the windows of a hole were, as the table gaps has them: milliseconds since 1970, by the Pi's clock.
#pragma once

#include <cstdint>
#include <optional>

#include "batch/span.hpp"
#include "store/milliseconds.hpp"

namespace ble {

// One end of a hole, or of a window beside it.
struct Bound {
    std::optional<std::int64_t> at;  // absent: not known
    std::optional<bool> synced;      // as Batch::clock_synced

    const Bound &or_else(const Bound &other) const { return at ? *this : other; }
};

struct LostSpan {
    std::optional<std::int64_t> from, to;
    std::optional<bool> synced;  // at both ends, of those that are known

    bool operator==(const LostSpan &) const = default;
    Bound begin() const { return {from, synced}; }
    Bound end() const { return {to, synced}; }
};

// If the end is before the beginning, the clock was set in between: it was not synchronised.
inline LostSpan between(const Bound &begin, const Bound &end) {
    const bool both = begin.at && end.at;
    LostSpan span{begin.at, end.at, begin.or_else(end).synced};
    if (both) span.synced = *begin.at > *end.at ? false : both_synced(begin.synced, end.synced);
    return span;
}

inline LostSpan lost_span(const Span &span) {
    const auto bound = [&](const std::optional<Time> &time) {
        return time ? Bound{to_milliseconds(*time), span.clock_synced} : Bound{};
    };
    return between(bound(span.from), bound(span.to));
}

inline Span span_of(const LostSpan &lost) {
    Span span{{}, {}, lost.synced};
    if (lost.from) span.from = from_milliseconds(*lost.from);
    if (lost.to) span.to = from_milliseconds(*lost.to);
    return span;
}

}  // namespace ble
