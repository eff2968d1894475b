// The packets of a capture, with corrected times where a single packet has an absurd one.
//
// A time more than `leap` from that of the packet before is believed if the packet after it agrees:
// the clock was set, or nothing was recorded for long. If not, the packet gets the time of the packet before; so does the last packet of a capture when it is more than `longest_silence` ahead. The first packet is
// judged by the two after it.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "radio/capture/capture_file.hpp"

namespace ble {

class SteadyPackets {
  public:
    static constexpr std::chrono::seconds leap{10}, longest_silence{60};

    explicit SteadyPackets(CaptureFile &capture) : capture_(capture) {}

    // The next packet in file order; its data is valid until the next call. Empty: as of CaptureFile::next(). Reads ahead, by
    // at most two packets, when times leap and at the start.
    std::optional<HciPacket> next();

  private:
    struct Kept {
        HciPacket packet;
        std::vector<std::uint8_t> data;
    };

    const HciPacket *ahead(std::size_t place);
    void keep(const HciPacket &packet);
    Time judge_first(Time time);
    Time judge(Time time);

    CaptureFile &capture_;
    std::deque<Kept> ahead_;  // read already, to be handed out
    std::vector<std::uint8_t> data_;
    std::optional<Time> last_;
};

}  // namespace ble
