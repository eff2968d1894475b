#include "store/pieces.hpp"

#include <algorithm>
#include <utility>

namespace ble {

const std::string missing = "missing";

namespace {

// Two tools may give different reasons for one hole; which line came first must not matter.
const std::string &stronger(const std::string &one, const std::string &other) {
    if (one == missing) return other;
    if (other == missing) return one;
    return std::min(one, other);
}

// The part of a hole that a line tells of. At an end of the line its word is exact.
LostSpan inside(const HolePiece &hole, const HolePiece &line) {
    const auto known_begin = hole.lost.begin(), known_end = hole.lost.end();
    const auto told_begin = line.lost.begin(), told_end = line.lost.end();
    return between(hole.from <= line.from ? told_begin.or_else(known_begin) : known_begin.or_else(told_begin),
                   hole.to >= line.to ? told_end.or_else(known_end) : known_end.or_else(told_end));
}

}  // namespace

std::vector<HolePiece> join(std::vector<HolePiece> pieces) {
    std::sort(pieces.begin(), pieces.end(),
              [](const HolePiece &a, const HolePiece &b) { return a.from < b.from; });
    std::vector<HolePiece> out;
    for (auto &piece : pieces) {
        if (!out.empty() && out.back().to + 1 == piece.from && out.back().reason == piece.reason) {
            out.back().to = piece.to;
            out.back().lost = between(out.back().lost.begin(), piece.lost.end());
            out.back().noticed_at = std::min(out.back().noticed_at, piece.noticed_at);
        } else {
            out.push_back(std::move(piece));
        }
    }
    return out;
}

LostSpan before(const LostSpan &hole, const LostSpan &window) {
    return between(hole.begin(), window.begin().or_else(hole.end()));
}

LostSpan behind(const LostSpan &hole, const LostSpan &window) {
    return between(window.end().or_else(hole.begin()), hole.end());
}

std::vector<HolePiece> common(const std::vector<HolePiece> &one, std::int64_t from, std::int64_t to,
                              const std::vector<HolePiece> &other) {
    std::vector<HolePiece> out;
    const auto part = [&](HolePiece piece, std::int64_t first, std::int64_t last) {
        piece.from = std::max(piece.from, first);
        piece.to = std::min(piece.to, last);
        if (piece.from <= piece.to) out.push_back(std::move(piece));
    };
    for (const auto &mine : one) {
        part(mine, mine.from, from - 1);
        for (const auto &theirs : other) {
            HolePiece both{std::max(mine.from, theirs.from),
                           std::min(mine.to, theirs.to),
                           stronger(mine.reason, theirs.reason),
                           std::min(mine.noticed_at, theirs.noticed_at),
                           {}};
            // At each end the word of the narrower one.
            const Bound begins[] = {mine.lost.begin(), theirs.lost.begin()};
            const Bound ends[] = {mine.lost.end(), theirs.lost.end()};
            const bool begin = theirs.from >= mine.from, end = theirs.to <= mine.to;
            both.lost = between(begins[begin].or_else(begins[!begin]), ends[end].or_else(ends[!end]));
            part(std::move(both), from, to);
        }
        part(mine, to + 1, mine.to);
    }
    return out;
}

Relabelled relabel(const std::vector<HolePiece> &old, const HolePiece &line) {
    Relabelled out;
    for (const auto &piece : old) {
        const HolePiece part{std::max(piece.from, line.from), std::min(piece.to, line.to),
                             stronger(piece.reason, line.reason), piece.noticed_at, inside(piece, line)};
        if (part.from > part.to || part.reason == piece.reason) {
            out.now.push_back(piece);
            // The same loss once more, with times that were not told before.
            const bool same = part.from == piece.from && part.to == piece.to && line.reason == piece.reason;
            if (same) out.now.back().lost = part.lost;
            out.retimed |= out.now.back().lost != piece.lost;
            continue;
        }
        if (piece.from < part.from)
            out.now.push_back(
                {piece.from, part.from - 1, piece.reason, piece.noticed_at, before(piece.lost, line.lost)});
        out.now.push_back(part);
        out.changed.push_back(part);
        if (part.to < piece.to)
            out.now.push_back(
                {part.to + 1, piece.to, piece.reason, piece.noticed_at, behind(piece.lost, line.lost)});
    }
    return out;
}

}  // namespace ble
