#include "radio/hci/report_reader.hpp"

#include "radio/hci/event.hpp"

namespace ble {

ReportReader::ReportReader(Counters &counters, Sink sink)
    : counters_(counters), sink_([this, sink = std::move(sink)](const Report &report) {
          counters_.in.fetch_add(1, std::memory_order_relaxed);
          sink(report);
      }) {}

// Each has a joiner of its own: two that hear the same advertiser each have their own parts.
ReportReader::Adapter &ReportReader::adapter(std::uint16_t index) {
    const auto found = adapters_.find(index);
    if (found != adapters_.end()) return found->second;
    const std::string name = index == HciPacket::no_adapter ? "" : "hci" + std::to_string(index);
    return adapters_.emplace(index, Adapter{name, FragmentJoiner(sink_)}).first->second;
}

void ReportReader::read(const HciPacket &packet) {
    if (packet.type != HciPacket::event) return;
    reports_.clear();
    if (!read_reports(packet, reports_)) counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    if (reports_.empty()) return;
    auto &from = adapter(packet.adapter);
    for (auto &report : reports_) {
        report.adapter = from.name;
        from.joiner.add(report);
    }
}

void ReportReader::finish() {
    for (auto &[index, adapter] : adapters_) adapter.joiner.finish();
}

}  // namespace ble
