#include "store/run_ledger.hpp"

#include <algorithm>

#include "store/pieces.hpp"
#include "store/used.hpp"

namespace ble {
namespace {

constexpr std::size_t most_remembered = 10'000;
// A device that makes more holes than any honest one in a year of heavy loss is not to fill the store with them; and one line is
// not to change many. Neither can be merged or left out: what arrives late would then be stored twice, or not at all.
constexpr std::int64_t most_holes = 100'000, most_pieces = 100;
// No seq of a line is larger (blepipe-batch(5)). What the database says is bounded by it as well: people edit it.
constexpr std::int64_t most_seq = (std::int64_t{1} << 53) - 1;

using Piece = RunLedger::Piece;

std::int64_t seq_of(std::int64_t stored) {
    return std::clamp<std::int64_t>(stored, 0, most_seq + 1);
}

Piece bounded(Piece piece) {
    piece.to = seq_of(piece.to);
    return piece;
}

}  // namespace

RunLedger::RunLedger(RunRows &rows) : rows_(rows) {}

void RunLedger::begin(std::int64_t now_ms, std::int64_t lived_s) {
    ++transaction_;
    now_ms_ = now_ms;
    lived_s_ = lived_s;
    holes_of_.clear();
    if (runs_.size() > most_remembered) forget();
}

void RunLedger::flush() {
    for (Run *run : dirty_) {
        rows_.save(*run);
        run->dirty = false;
    }
    dirty_.clear();
    for (const auto &[device, holes] : holes_of_) rows_.set_holes(device, holes);
    holes_of_.clear();
}

void RunLedger::forget() {
    dirty_.clear();
    holes_of_.clear();
    runs_.clear();
}

RunLedger::Run &RunLedger::find(std::int64_t device, const std::string &run_id,
                                const std::optional<std::string> &hash_id) {
    Run &run = runs_[std::to_string(device) + ' ' + run_id];
    if (run.read_in != transaction_) {
        if (const auto found = rows_.find(device, run_id)) {
            static_cast<RunRow &>(run) = *found;
            run.next_seq = seq_of(run.next_seq);
            if (lived_s_ - run.used_s >= use_told_every_s) rows_.use(run.id, lived_s_);
        } else {
            static_cast<RunRow &>(run) = RunRow{rows_.insert(device, run_id, lived_s_), 0, lived_s_};
        }
        run.device = device;
        run.read_in = transaction_;
    }
    if (hash_id && !run.hash_named) {
        rows_.name_hash(run.id, *hash_id);
        run.hash_named = true;
    }
    return run;
}

std::string RunLedger::replace(const Run &run, const std::vector<Piece> &old, const std::vector<Piece> &now) {
    if (old.size() != now.size()) {
        const auto known = holes_of_.find(run.device);
        const auto before = known != holes_of_.end() ? known->second : rows_.holes(run.device);
        const auto holes =
            before - static_cast<std::int64_t>(old.size()) + static_cast<std::int64_t>(now.size());
        if (holes > before && holes > most_holes)
            return "this device has " + std::to_string(before) +
                   " holes in its sequence numbers already, and a line that makes another hole is not "
                   "stored. The view missing shows the holes: find out what loses these batches. --retain "
                   "deletes the holes of runs that have ended";
        holes_of_[run.device] = std::max<std::int64_t>(holes, 0);
    }
    for (const auto &piece : old) rows_.delete_gap(run.id, piece.from);
    for (const auto &piece : now) rows_.insert_gap(run.id, piece);
    return {};
}

void RunLedger::advance(Run &run, std::int64_t next_seq) {
    run.next_seq = next_seq;
    if (!run.dirty) dirty_.push_back(&run);
    run.dirty = true;
}

// Something is known that lies behind all that was lost so far.
void RunLedger::close(Run &run, const Bound &end) {
    if (!run.open_from || !end.at) return;
    rows_.close(run.id, *run.open_from, end);
    run.open_from.reset();
}

RunLedger::Change RunLedger::take(Run &run, std::int64_t seq, const LostSpan &window) {
    if (seq >= run.next_seq) {
        Change change;
        // Several batches of one window: what is lost between two of them was a part of it.
        const bool same_window = run.last.at && run.last.at == window.to;
        const LostSpan hole = same_window ? window : between(run.last, window.begin());
        close(run, window.begin());
        if (seq > run.next_seq) change = mark(run, run.next_seq, seq - 1, missing, hole);
        if (!change.refused.empty()) return change;
        run.last = window.end().or_else(run.last);
        advance(run, seq + 1);
        change.made = true;
        return change;
    }
    const auto found = rows_.gap_at(run.id, seq);
    if (!found || seq > seq_of(found->to)) return {};
    const Piece gap = bounded(*found);
    std::vector<Piece> rest;
    if (gap.from < seq)
        rest.push_back({gap.from, seq - 1, gap.reason, gap.noticed_at, before(gap.lost, window)});
    if (seq < gap.to) rest.push_back({seq + 1, gap.to, gap.reason, gap.noticed_at, behind(gap.lost, window)});
    std::string refused = replace(run, {gap}, rest);
    return {refused.empty(), {}, std::move(refused)};
}

RunLedger::Change RunLedger::label(Run &run, std::int64_t from, std::int64_t to, const std::string &reason,
                                   const LostSpan &told) {
    // Its beginning lies behind what is open only when none of that is its own.
    if (to >= run.next_seq) close(run, from >= run.next_seq ? told.begin().or_else(told.end()) : told.end());
    return mark(run, from, to, reason, told);
}

RunLedger::Change RunLedger::mark(Run &run, std::int64_t from, std::int64_t to, const std::string &reason,
                                  const LostSpan &told) {
    const bool ahead = to >= run.next_seq;
    auto old = rows_.touching(run.id, std::min(from, run.next_seq), to, most_pieces + 1);
    if (old.size() > most_pieces)
        return {false, {}, "its hole is in more than " + std::to_string(most_pieces) + " pieces here"};
    for (auto &piece : old) piece = bounded(std::move(piece));
    const Piece line{from, to, reason, now_ms_, told};
    Relabelled labelled = relabel(old, line);
    if (ahead) {
        for (auto &piece : unseen(run, line)) {
            if (!piece.lost.to) run.open_from = std::min(run.open_from.value_or(piece.from), piece.from);
            labelled.now.push_back(piece);
            labelled.changed.push_back(std::move(piece));
        }
    }
    if (labelled.changed.empty() && !labelled.retimed) return {};
    if (auto refused = replace(run, old, join(std::move(labelled.now))); !refused.empty())
        return {false, {}, std::move(refused)};
    if (ahead) {
        run.last = told.end().or_else(run.last);
        advance(run, to + 1);
    }
    return {true, std::move(labelled.changed), {}};
}

RunLedger::Change RunLedger::merge(Run &run, const Part &part) {
    auto old = rows_.touching(run.id, part.from, part.to, most_holes + 1);
    for (auto &piece : old) piece = bounded(std::move(piece));
    auto ours = old;
    const bool ahead = part.to >= run.next_seq;
    if (ahead) ours.push_back({run.next_seq, part.to, missing, now_ms_, {}});
    if (auto refused = replace(run, old, join(common(ours, part.from, part.to, part.holes)));
        !refused.empty())
        return {false, {}, std::move(refused)};
    // Of a run that ends there as well, the other store may have been told what its batches do not say.
    if (part.to + 1 >= run.next_seq) {
        run.last = part.last.or_else(run.last);
        run.open_from = part.open_from;
        advance(run, part.to + 1);
    }
    return {true, {}, {}};
}

// A hole that we were told of behind all that was seen, and what lies before it and was not seen either.
std::vector<Piece> RunLedger::unseen(const Run &run, const Piece &line) {
    std::vector<Piece> out;
    const auto begin = line.lost.begin(), end = line.lost.end();
    if (line.from > run.next_seq)
        out.push_back({run.next_seq, line.from - 1, missing, now_ms_, between(run.last, begin.or_else(end))});
    out.push_back(line);
    out.back().from = std::max(line.from, run.next_seq);
    out.back().lost =
        between(line.from < run.next_seq ? run.last.or_else(begin) : begin.or_else(run.last), end);
    return out;
}

}  // namespace ble
