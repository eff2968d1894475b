#include "radio/capture/replay.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "base/file.hpp"
#include "radio/capture/btsnoop_writer.hpp"
#include "radio/capture/capture_format.hpp"
#include "radio/capture/steady_packets.hpp"
#include "radio/hci/report_reader.hpp"
#include "radio/hci/scan_state.hpp"

namespace ble {

using std::chrono::duration_cast;
using std::chrono::microseconds;

namespace {

// Is the clock set, or nothing recorded for long, between two packets? That is not waited for.
bool jumps(Time before, Time time) {
    return time < before || time > before + SteadyPackets::longest_silence;
}

}  // namespace

std::optional<double> parse_speed(const std::string &text) {
    if (text == "max") return 0;
    double factor = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
    if (error != std::errc() || end != text.data() + text.size() || !(factor >= 0.001 && factor <= 1e6))
        return {};
    return factor;
}

Replay::Replay(const ReplayOptions &options, Counters &counters, Wait wait)
    : options_(options), counters_(counters), wait_(std::move(wait)) {
    name_ = options_.path == "-" ? "standard input" : options_.path;
    if (options_.path == "-") {
        fd_ = STDIN_FILENO;
    } else {
        // O_NONBLOCK: opening a FIFO must not wait for its writer beyond the reach of signals.
        file_ = UniqueFd(::open(options_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (!file_) throw file_error("open", name_, ExitCode::unavailable);
        fd_ = file_.get();
    }
    struct stat status {};
    if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode))
        size_ = static_cast<std::uint64_t>(status.st_size);
    if (options_.now && size_ == 0)
        throw Error(ExitCode::usage,
                    "--now reads the capture twice, which " + name_ + " cannot do: give a file");
}

double Replay::fraction() const {
    if (!source_ || size_ == 0) return -1;
    return static_cast<double>(source_->read_of_input()) / static_cast<double>(size_);
}

ByteSource Replay::open_source() {
    return ByteSource(fd_, name_, [this](int fd) { return wait_(fd, std::nullopt); });
}

void Replay::shift_to_now() {
    const auto begin = ::lseek(fd_, 0, SEEK_CUR);
    auto source = open_source();
    if (!source.need(1) && source.given_up()) return;
    CaptureFile capture(source);
    SteadyPackets packets(capture);
    std::optional<Time> before, last;
    microseconds waited_for{0};
    while (const auto packet = packets.next()) {
        const Time time = packet->timestamp;
        if (before && !jumps(*before, time)) waited_for += time - *before;
        before = time;
        // What was recorded before the clock was set back ends in no present.
        if (!last || time > *last || time < *last - SteadyPackets::leap) last = time;
    }
    if (begin < 0 || ::lseek(fd_, begin, SEEK_SET) < 0) throw system_error("rewind " + name_, ExitCode::io);
    if (!last) return;
    microseconds replay_lasts{0};
    if (options_.speed > 0)
        replay_lasts =
            microseconds(static_cast<std::int64_t>(static_cast<double>(waited_for.count()) / options_.speed));
    // Whole milliseconds, as windows have: they are cut as they are without the shift.
    shift_ = std::chrono::floor<std::chrono::milliseconds>(now() + replay_lasts - *last);
}

void Replay::run(ReportSink &sink) {
    if (options_.now) shift_to_now();
    auto source = open_source();
    source_ = &source;
    constexpr std::size_t longest_header = 28;
    if (!source.need(longest_header) && source.given_up()) return;  // stopped before there was anything
    CaptureFile capture(source);
    SteadyPackets packets(capture);
    ReportReader reader(counters_, [&](const Report &report) {
        sink.advance(report.timestamp);
        sink.add(report);
    });
    ScanState scans([&](bool listens, Time since) { sink.listens(listens, since); });
    Time present{};
    while (!sink.satisfied()) {
        auto packet = packets.next();
        if (!packet) break;
        // The shift of a capture whose clock was set by ages takes the others out of the years that can be printed.
        packet->timestamp = clamp_time((packet->timestamp + shift_).time_since_epoch().count());
        if (options_.speed > 0 && !pace(packet->timestamp, sink, reader)) break;
        if (packet->type == HciPacket::note) take_note(*packet, sink, reader);
        present = packet->timestamp;
        if (listening_) {
            reader.advance(present);
            sink.advance(reader.clock(present));
        }
        scans.read(*packet);
        if (listening_) reader.read(*packet);
    }
    if (reader.holds()) {
        reader.finish();
        sink.advance(present);
    }
    sink.finish();
    if (!capture.problem().empty()) problem_ = name_ + " " + capture.problem();
    left_out_ = capture.left_out();
    wrong_checksums_ = reader.wrong_checksums();
    source_ = nullptr;
}

// A recording of our own says when it listened; others always did.
void Replay::take_note(const HciPacket &note, ReportSink &sink, ReportReader &reader) {
    std::string_view text(reinterpret_cast<const char *>(note.data.data()), note.data.size());
    text = text.substr(0, text.find('\0'));
    if (text == note_not_listening && listening_) {
        reader.finish();
        sink.advance(note.timestamp);
        sink.finish();
    }
    if (text == note_recording || text == note_not_listening) listening_ = false;
    if (text == note_listening) listening_ = true;
}

// Waits until `time` is due; the sink's clock is moved on the way when it has something to do before.
bool Replay::pace(Time time, ReportSink &sink, ReportReader &reader) {
    if (!paced_ || jumps(*paced_, time)) {  // the first is not waited for either
        origin_ = time;
        origin_clock_ = Clock::now();
    } else {
        for (auto due = sink.due(); due && *due <= time && !sink.satisfied(); due = sink.due()) {
            Time at = *due;
            reader.advance(at);
            if (reader.holds())
                at += FragmentJoiner::longest_pause + microseconds(1);  // then it waits no more
            if (at > time) break;
            if (!wait_for(at)) return false;
            reader.advance(at);
            sink.advance(at);
        }
    }
    paced_ = time;
    return wait_for(time);
}

bool Replay::wait_for(Time time) {
    const std::chrono::duration<double, std::micro> passed(time - origin_);
    return wait_(-1, origin_clock_ + duration_cast<Clock::duration>(passed / options_.speed));
}

}  // namespace ble
