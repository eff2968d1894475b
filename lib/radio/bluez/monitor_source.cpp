#include "radio/bluez/monitor_source.hpp"

#include <poll.h>

#include "base/log.hpp"

namespace ble {

MonitorSource::MonitorSource(const std::string &record, BluezScanner &scanner, ReportSink &sink,
                             Counters &counters)
    : counters_(counters),
      scanner_(scanner),
      recorder_(record.empty() ? nullptr : std::make_unique<BtsnoopWriter>(record)),
      clock_(sink,
             [this](Time time, bool listening) {
                 if (!listening) reader_.finish();
                 if (recorder_) recorder_->note(time, listening ? note_listening : note_not_listening);
             }),
      reader_(
          counters,
          [this](const Report &report) {
              clock_.packet(report.timestamp);
              if (!clock_.satisfied()) clock_.add(report);
          },
          [this](const Report &report) { scanner_.heard(report); }),
      scans_([this](bool listens, Time since) { clock_.listens(listens, since); }) {
    if (recorder_) recorder_->note(now(), note_recording);
}

short MonitorSource::events() const {
    return POLLIN;
}

std::optional<LiveSource::Clock::time_point> MonitorSource::due() const {
    if (!reader_.holds()) return {};
    return Clock::now() + PacketClock::late;
}

void MonitorSource::handle(Time present, ReportSink &) {
    constexpr int most = 4096;  // a flood keeps neither signals nor BlueZ waiting
    for (int i = 0; i < most && !clock_.satisfied(); ++i) {
        const auto packet = socket_.next();
        if (!packet) {  // none of before `present` is still to come, but for those that are late
            reader_.advance(present - PacketClock::late);
            break;
        }
        take(*packet);
    }
    clock_.hold(reader_.holds());
    if (recorder_) recorder_->flush();
    look_for_drops();
}

void MonitorSource::take(const MonitorPacket &packet) {
    const auto hci = packet.hci();
    if (hci.type == HciPacket::event && !scanner_.scans(packet.adapter)) return;
    reader_.advance(packet.timestamp);
    clock_.packet(reader_.clock(packet.timestamp));
    scans_.read(hci);
    reader_.read(hci);
    // Behind the note that its first report brings forth.
    if (recorder_) recorder_->write(packet, dropped_);
}

void MonitorSource::look_for_drops() {
    constexpr auto pause = std::chrono::seconds(10);
    const auto dropped = socket_.dropped();
    counters_.dropped += dropped - dropped_;
    dropped_ = dropped;
    if (dropped_ == 0 || Clock::now() < complain_ || dropped_ == told_) return;
    log_warning(std::to_string(dropped_ - told_) +
                " Bluetooth packets lost, because they came faster than blescan could read them; reports are "
                "missing");
    told_ = dropped_;
    complain_ = Clock::now() + pause;
}

}  // namespace ble
