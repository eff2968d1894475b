// Replays a capture file: its reports go to a sink as if a radio heard them, as fast as possible or paced.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/counters.hpp"
#include "base/unique_fd.hpp"
#include "radio/air/report.hpp"
#include "radio/capture/byte_source.hpp"
#include "radio/capture/capture_file.hpp"
#include "radio/hci/report_reader.hpp"

namespace ble {

struct ReplayOptions {
    std::string path;  // "-": standard input
    double speed = 0;  // 1: as fast as it was recorded; 0: as fast as possible
    bool now = false;  // shift the times so that the capture ends when the replay does
};

// "max" (0) or a number from 0.001 to 1000000; empty result: neither.
std::optional<double> parse_speed(const std::string &text);

class Replay {
  public:
    using Clock = std::chrono::steady_clock;
    // Blocks until `fd` is readable (-1: none) or `until` has come; false: the tool is asked to stop.
    using Wait = std::function<bool(int fd, std::optional<Clock::time_point> until)>;

    // Opens the file: Error(unavailable) when that fails, Error(usage) when `now` is asked of what cannot be read twice.
    Replay(const ReplayOptions &options, Counters &counters, Wait wait);

    // Feeds the sink until the capture ends, the sink is satisfied or `wait` says stop; finishes the sink. Counts
    // reports as `in`, malformed events as `rejected`. Error(data) when it is no capture file.
    void run(ReportSink &sink);

    // What is wrong with the file, after run(): "FILE ends inside …"; empty: nothing.
    const std::string &problem() const { return problem_; }
    // Packets that are not understood, after run(): see CaptureFile::left_out(). Empty: none.
    const std::string &left_out() const { return left_out_; }
    // Packets of a sniffer that were damaged on the air.
    std::uint64_t wrong_checksums() const { return wrong_checksums_; }
    const std::string &name() const { return name_; }
    // Part of the file that has been read, 0 to 1; negative: its length is not known.
    double fraction() const;

  private:
    void take_note(const HciPacket &note, ReportSink &sink, ReportReader &reader);
    void shift_to_now();
    bool pace(Time time, ReportSink &sink, ReportReader &reader);
    bool wait_for(Time time);
    ByteSource open_source();

    ReplayOptions options_;
    Counters &counters_;
    Wait wait_;
    std::string name_, problem_, left_out_;
    std::uint64_t wrong_checksums_ = 0;
    UniqueFd file_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    const ByteSource *source_ = nullptr;
    std::chrono::microseconds shift_{0};
    bool listening_ = true;
    std::optional<Time> paced_;       // the time of the last packet waited for
    Time origin_{};                   // a moment of the capture …
    Clock::time_point origin_clock_;  // … and when it was replayed
};

}  // namespace ble
