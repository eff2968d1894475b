#include "store/intake.hpp"

#include <utility>

#include "base/limits.hpp"
#include "batch/event.hpp"

namespace ble {

namespace {

// In rows that are written or looked for, about: what others wait for while a transaction lasts.
constexpr std::size_t work_a_transaction = 20'000;
constexpr std::size_t work_of_batch = 5, work_of_gap = 100;

std::string whose(const StoreItem &item) {
    const auto name = [](const auto &one) { return one.sender ? *one.sender : one.device_id; };
    return item.batch != nullptr ? name(*item.batch)
           : item.gap != nullptr ? name(*item.gap)
                                 : item.device_id();
}

// One record a line, however much of it is left out: each repeats the line.
std::string without(const ParsedBatch &batch) {
    constexpr std::size_t enough = 1000;
    std::string reason = "stored without ";
    const auto begin = reason.size();
    const auto add = [&](const std::string &part) {
        if (reason.size() > begin) reason += "; ";
        reason += part;
    };
    for (const auto &member : batch.left_out) add(member);
    for (const auto &part : batch.rejected) {
        if (reason.size() > enough) return reason + " and others";
        add("detections[" + std::to_string(part.index) + "]: " + part.reason);
    }
    return reason;
}

}  // namespace

std::size_t Intake::read(std::span<const Line> lines) {
    parsed_.clear();
    items_.clear();
    batches_.clear();
    invalid_.clear();
    torn_ = lines_ = work_ = 0;
    while (lines_ < lines.size() && work_ < work_a_transaction) read(lines[lines_++]);
    return lines_;
}

void Intake::read(const Line &line) {
    if (line.kind == Line::Kind::oversize) {
        invalid_.push_back(
            {line.text, "longer than " + std::to_string(max_line) + " bytes; this is its beginning", ""});
        return;
    }
    read(line, parser_.parse(line.text));
}

void Intake::read(const Line &line, ParsedLine parsed) {
    if (auto *invalid = std::get_if<InvalidLine>(&parsed)) return set_aside(line, std::move(*invalid));
    if (!std::holds_alternative<ParsedBatch>(parsed)) {
        const ParsedLine &kept = parsed_.emplace_back(std::move(parsed));
        const auto *run = std::get_if<ArchivedRun>(&kept);
        items_.push_back(
            {line.text, nullptr, std::get_if<Gap>(&kept), std::get_if<ArchivedDevice>(&kept), run});
        batches_.push_back(nullptr);
        work_ += work_of_gap + (run != nullptr ? run->gaps.size() : 0);
        return;
    }
    const Batch &batch = std::get<ParsedBatch>(parsed).batch;
    if (batch.detections.size() > most_advertisers_) {
        InvalidLine crowd{"detections: more than " + std::to_string(most_advertisers_),
                          0,
                          {},
                          batch.sender.value_or(batch.device_id)};
        if (batch.position) crowd.hole = gap_for(batch, "rejected");
        return set_aside(line, std::move(crowd));
    }
    const auto &kept = std::get<ParsedBatch>(parsed_.emplace_back(std::move(parsed)));
    items_.push_back({line.text, &kept.batch, nullptr});
    batches_.push_back(&kept);
    work_ += work_of_batch + kept.batch.detections.size();
}

void Intake::set_aside(const Line &line, InvalidLine invalid) {
    if (line.kind == Line::Kind::tail) {
        ++torn_;
        return;
    }
    invalid_.push_back({line.text, std::move(invalid.reason), std::move(invalid.from)});
    ++work_;
    if (!invalid.hole) return;
    const ParsedLine &hole = parsed_.emplace_back(std::move(*invalid.hole));
    items_.push_back({{}, nullptr, &std::get<Gap>(hole)});
    batches_.push_back(nullptr);
    work_ += work_of_batch;
}

std::vector<Rejected> Intake::rejected(const StoreResult &result) const {
    std::vector<Rejected> out = invalid_;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        const auto &[kind, reason] = result.outcomes[i];
        const bool in_store = kind == StoreOutcome::Kind::stored || kind == StoreOutcome::Kind::duplicate;
        if (!in_store && !ours(items_[i])) out.push_back({items_[i].line, reason, whose(items_[i])});
        if (kind != StoreOutcome::Kind::stored || batches_[i] == nullptr || batches_[i]->whole()) continue;
        out.push_back({items_[i].line, without(*batches_[i]), whose(items_[i])});
    }
    return out;
}

std::vector<std::string> Intake::events(const StoreResult &result) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        if (items_[i].batch == nullptr || items_[i].is_archived() ||
            result.outcomes[i].kind != StoreOutcome::Kind::stored)
            continue;
        if (batches_[i]->whole()) {
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
        counts.conflicts += kind == StoreOutcome::Kind::conflict ? 1 : 0;
        counts.duplicates += kind == StoreOutcome::Kind::duplicate && !ours(items_[i]) ? 1 : 0;
        if (items_[i].batch == nullptr || kind != StoreOutcome::Kind::stored) continue;
        ++counts.batches;
        counts.detections += items_[i].batch->detections.size();
    }
    return counts;
}

}  // namespace ble
