// What the capture formats share: the record as it stands in the file, and the packet inside it by link type.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "radio/air/byte_order.hpp"
#include "radio/capture/capture_file.hpp"

namespace ble {

// Longer than any HCI packet: a length beyond this is damage.
constexpr std::size_t max_record = std::size_t{256} << 10;

class CaptureFile::Format {
  public:
    explicit Format(ByteSource &source) : source_(source) {}
    virtual ~Format() = default;
    virtual std::optional<HciPacket> next() = 0;

    const std::string &problem() const { return problem_; }
    // By link type, packets that are not understood.
    const std::map<std::uint32_t, std::uint64_t> &left_out() const { return left_out_; }

  protected:
    // The next `bytes` bytes of a record that began at byte `record`; nullptr, and problem() is set, when the input ends.
    const std::uint8_t *need(std::size_t bytes, std::uint64_t record);
    // True at the end of the input, where a record may end the file.
    bool at_end();
    std::nullopt_t damaged(std::uint64_t record, const std::string &why);
    // Unwraps the packet; false: it is not understood, and counted as left out. Not even its time counts: nobody listened there.
    bool take(std::uint32_t link_type, HciPacket &packet);
    // An interface of the link type is described.
    void described(std::uint32_t link_type);
    // To be called at the end. Error(data) when there was something and nothing of it is understood.
    void refuse_what_is_not_understood() const;

    ByteSource &source_;
    std::string problem_;
    std::map<std::uint32_t, std::uint64_t> left_out_;

  private:
    bool any_known_ = false, any_read_ = false;  // interfaces, packets
};

// The formats; the magic number stands unread at the source's start.
std::unique_ptr<CaptureFile::Format> open_btsnoop(ByteSource &source);
std::unique_ptr<CaptureFile::Format> open_pcap(ByteSource &source);
std::unique_ptr<CaptureFile::Format> open_pcapng(ByteSource &source);
bool is_pcap_magic(std::uint32_t little_endian);
// The same of a PacketLogger file, which has no magic number. Does it begin like one? Needs 13 bytes.
std::unique_ptr<CaptureFile::Format> open_packet_logger(ByteSource &source);
bool is_packet_logger(const std::uint8_t *start);

// btsnoop counts microseconds from the year 0: so many of them until 1970.
constexpr std::int64_t btsnoop_epoch = 0x00dc'ddb3'0f2f'8000;

// Microseconds since 1970 as Time. What is before 1970 becomes 1970, what is after 9998 the end of 9998: a window that
// begins there still ends in a year of four digits.
Time clamp_time(std::int64_t microseconds);

}  // namespace ble
