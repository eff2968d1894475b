// The pieces of a run's holes, as the table gaps has them, and what a gap line or a late batch makes of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/lost_span.hpp"

namespace ble {

struct HolePiece {
    std::int64_t from, to;  // seqs, both inclusive
    std::string reason;
    std::int64_t noticed_at;
    LostSpan lost;  // as it was told, or what the batches beside it leave: never too narrow
};

extern const std::string missing;  // the reason of a hole that nobody has told of

// Sorts, and joins neighbours with one reason.
std::vector<HolePiece> join(std::vector<HolePiece> pieces);

// The parts of a hole before and behind the window of one of its batches.
LostSpan before(const LostSpan &hole, const LostSpan &window);
LostSpan behind(const LostSpan &hole, const LostSpan &window);

// What neither of two knows: the parts of `one` inside from … to that lie in `other` as well, and those outside. Both in order.
std::vector<HolePiece> common(const std::vector<HolePiece> &one, std::int64_t from, std::int64_t to,
                              const std::vector<HolePiece> &other);

struct Relabelled {
    std::vector<HolePiece> now, changed;  // all; those among them that have another reason
    bool retimed = false;                 // one has only other times than before
};
// `old`: those that a gap line touches.
Relabelled relabel(const std::vector<HolePiece> &old, const HolePiece &line);

}  // namespace ble
