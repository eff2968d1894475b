#include "blesend/intake.hpp"

#include <algorithm>
#include <span>

#include "batch/sender.hpp"

namespace ble {

Intake::Intake(LookingReader &reader, Spool &spool, RejectFile &reject, Counters &counters,
               std::uint64_t limit)
    : reader_(reader), spool_(spool), reject_(reject), counters_(counters), limit_(limit) {}

void Intake::take(WhenFull when_full) {
    if (finished_) return;
    if (!blocked()) look();
    const std::size_t taken = spool_.push(std::span(lines_).subspan(given_), when_full);
    given_ += taken;
    counters_.in += taken;
    if (taken > 0) note_arrivals(taken);
    if (reached_limit()) {
        stop();
    } else if (!blocked()) {
        reader_.consume();
        lines_.clear();
        given_ = 0;
        finished_ = reader_.ended();
    }
}

void Intake::look() {
    lines_.clear();
    indices_.clear();
    rejected_.clear();
    own_.clear();
    given_ = 0;
    const auto &shown = reader_.look();
    for (std::size_t i = 0; i < shown.size(); ++i) {
        if (limit_ != 0 && counters_.in + lines_.size() >= limit_) break;
        sort(shown[i], i);
    }
    reject_.add(rejected_);
}

void Intake::sort(const Line &line, std::size_t index) {
    std::string reason = "longer than " + std::to_string(max_line) + " bytes";
    std::optional<Gap> hole;
    if (line.kind != Line::Kind::oversize) {
        const ParsedLine parsed = parser_.parse(line.text);
        const auto *invalid = std::get_if<InvalidLine>(&parsed);
        if (invalid == nullptr) {
            lines_.push_back(has_sender(parsed) ? own_.emplace_back(without_sender(line.text)) : line.text);
            indices_.push_back(index);
            return;
        }
        reason = invalid->reason;
        hole = invalid->hole;
    }
    if (line.kind == Line::Kind::tail) {
        ++counters_.torn;
        log_warning("the input ends within a line, and what is there is no batch: " + reason);
        return;
    }
    ++counters_.rejected;
    rejected_.push_back({line.text, reason});
    if (!hole) return;
    lines_.push_back(own_.emplace_back(print_gap(*hole)));
    indices_.push_back(index);
}

void Intake::stop() {
    if (finished_) return;
    finished_ = true;
    if (given_ > 0) reader_.consume(indices_[given_ - 1] + 1);
    lines_.clear();
    given_ = 0;
}

void Intake::note_arrivals(std::size_t count) {
    const auto now = Clock::now();
    if (last_arrival_) {
        const double interval_s =
            std::chrono::duration<double>(now - *last_arrival_).count() / static_cast<double>(count);
        interval_s_ = intervals_ == 0 ? interval_s : 0.8 * interval_s_ + 0.2 * interval_s;
        ++intervals_;
    }
    last_arrival_ = now;
}

std::optional<std::chrono::duration<double>> Intake::pace() const {
    if (intervals_ < 3) return {};
    return std::chrono::duration<double>(interval_s_);
}

}  // namespace ble
