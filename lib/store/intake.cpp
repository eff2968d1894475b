#include "store/intake.hpp"

#include <utility>

#include "base/limits.hpp"
#include "batch/event.hpp"

namespace ble {

void Intake::read(std::span<const Line> lines) {
    parsed_.clear();
    items_.clear();
    invalid_parts_.clear();
    invalid_.clear();
    torn_ = 0;
    lines_ = lines.size();
    for (const auto &line : lines) read(line);
}

void Intake::read(const Line &line) {
    if (line.kind == Line::Kind::oversize) {
        invalid_.push_back(
            {line.text, "longer than " + std::to_string(max_line) + " bytes; this is its beginning"});
        return;
    }
    ParsedLine parsed = parser_.parse(line.text);
    if (auto *invalid = std::get_if<InvalidLine>(&parsed)) {
        if (line.kind == Line::Kind::tail) {
            ++torn_;
            return;
        }
        invalid_.push_back({line.text, std::move(invalid->reason)});
        if (!invalid->hole) return;
        const ParsedLine &hole = parsed_.emplace_back(std::move(*invalid->hole));
        items_.push_back({{}, nullptr, &std::get<Gap>(hole)});
        invalid_parts_.push_back(nullptr);
        return;
    }
    const ParsedLine &kept = parsed_.emplace_back(std::move(parsed));
    if (const auto *batch = std::get_if<ParsedBatch>(&kept)) {
        items_.push_back({line.text, &batch->batch, nullptr});
        invalid_parts_.push_back(&batch->rejected);
    } else {
        items_.push_back({line.text, nullptr, &std::get<Gap>(kept)});
        invalid_parts_.push_back(nullptr);
    }
}

std::vector<Rejected> Intake::rejected(const StoreResult &result) const {
    std::vector<Rejected> out = invalid_;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        const auto &outcome = result.outcomes[i];
        if (outcome.kind == StoreOutcome::Kind::refused && !ours(items_[i]))
            out.push_back({items_[i].line, outcome.reason});
        if (outcome.kind != StoreOutcome::Kind::stored || invalid_parts_[i] == nullptr) continue;
        if (invalid_parts_[i]->empty()) continue;
        // One record a line, however many of its detections are invalid: each repeats the line.
        std::string reason = "stored without";
        for (const auto &part : *invalid_parts_[i]) {
            constexpr std::size_t enough = 1000;
            if (reason.size() > enough) {
                reason += " and others";
                break;
            }
            reason += " detections[" + std::to_string(part.index) + "]: " + part.reason + ";";
        }
        if (reason.back() == ';') reason.pop_back();
        out.push_back({items_[i].line, std::move(reason)});
    }
    return out;
}

std::vector<std::string> Intake::events(const StoreResult &result) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        if (items_[i].batch == nullptr || result.outcomes[i].kind != StoreOutcome::Kind::stored) continue;
        if (invalid_parts_[i]->empty()) {
            out.push_back(detection_event(items_[i].line));
        } else {
            for (auto &event : detection_events(*items_[i].batch)) out.push_back(std::move(event));
        }
    }
    for (const auto &hole : result.holes) out.push_back(gap_event(print_gap(hole)));
    for (const auto &twins : result.twins) out.push_back(two_at_once_event(twins));
    return out;
}

Intake::Counts Intake::counts(const StoreResult &result) const {
    Counts counts;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        const auto kind = result.outcomes[i].kind;
        counts.duplicates += kind == StoreOutcome::Kind::duplicate && !ours(items_[i]) ? 1 : 0;
        if (items_[i].batch == nullptr || kind != StoreOutcome::Kind::stored) continue;
        ++counts.batches;
        counts.detections += items_[i].batch->detections.size();
    }
    return counts;
}

}  // namespace ble
