#include "radio/hci/report_reader.hpp"

#include "radio/hci/event.hpp"

namespace ble {

ReportReader::ReportReader(Counters &counters, Sink sink, Heard heard)
    : counters_(counters),
      heard_(std::move(heard)),
      joiner_([this, sink = std::move(sink)](const Report &report) {
          counters_.in.fetch_add(1, std::memory_order_relaxed);
          sink(report);
      }) {}

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
    }
}

void ReportReader::finish() {
    joiner_.finish();
}

}  // namespace ble
