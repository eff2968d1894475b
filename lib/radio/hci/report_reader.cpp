#include "radio/hci/report_reader.hpp"

#include <iterator>

#include "radio/hci/event.hpp"

namespace ble {

ReportReader::ReportReader(Counters &counters, Sink sink, Heard heard)
    : counters_(counters),
      sink_(std::move(sink)),
      heard_(std::move(heard)),
      joiner_([this](const Report &report) { pass(report); }) {}

const std::string &ReportReader::name(std::uint16_t adapter) {
    auto &name = names_[adapter];
    if (name.empty() && adapter != HciPacket::no_adapter) name = "hci" + std::to_string(adapter);
    return name;
}

// False: it is malformed.
bool ReportReader::reports_of(const HciPacket &packet) {
    reports_.clear();
    if (packet.type != HciPacket::sniffed) return read_reports(packet, reports_);
    const auto outcome = air_.read(packet, reports_);
    if (outcome == LinkLayerReader::Outcome::wrong_checksum) ++wrong_checksums_;
    return outcome != LinkLayerReader::Outcome::malformed;
}

void ReportReader::read(const HciPacket &packet) {
    if (packet.type != HciPacket::event && packet.type != HciPacket::sniffed) return;
    if (!reports_of(packet)) counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t chain = packet.type == HciPacket::sniffed ? air_.chain() : 0;
    const auto source = std::uint64_t{packet.interface} << 32 | chain << 16 | packet.adapter;
    for (auto &report : reports_) {
        report.adapter = name(packet.adapter);
        if (heard_) heard_(report);
        joiner_.add(report, source);
        release();
    }
    if (waiting_.size() >= most_waiting) finish();
}

void ReportReader::pass(const Report &report) {
    if (waiting_.empty() && !holds()) return hand_on(report);
    auto place = waiting_.end();
    while (place != waiting_.begin() && std::prev(place)->report.timestamp > report.timestamp) --place;
    const auto waiting = waiting_.insert(place, {report, {report.data.begin(), report.data.end()}});
    waiting->report.data = waiting->data;
}

void ReportReader::hand_on(const Report &report) {
    counters_.in.fetch_add(1, std::memory_order_relaxed);
    sink_(report);
}

// What was heard before all that is held.
void ReportReader::release() {
    if (waiting_.empty()) return;
    const auto earliest = joiner_.earliest();
    for (; !waiting_.empty() && (!earliest || waiting_.front().report.timestamp <= *earliest);
         waiting_.pop_front())
        hand_on(waiting_.front().report);
}

void ReportReader::advance(Time now) {
    joiner_.advance(now);
    release();
}

void ReportReader::finish() {
    joiner_.finish();
    release();
}

}  // namespace ble
