// What the capture formats share: the record as it stands in the file, and the packet inside it by link type.
#pragma once

#include <cstdint>
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

  protected:
    // The next `bytes` bytes of a record that began at byte `record`; nullptr, and problem() is set, when the input ends.
    const std::uint8_t *need(std::size_t bytes, std::uint64_t record);
    // True at the end of the input, where a record may end the file.
    bool at_end();
    std::nullopt_t damaged(std::uint64_t record, const std::string &why);

    ByteSource &source_;
    std::string problem_;
};

// The formats; the magic number stands unread at the source's start.
std::unique_ptr<CaptureFile::Format> open_btsnoop(ByteSource &source);
std::unique_ptr<CaptureFile::Format> open_pcap(ByteSource &source);
std::unique_ptr<CaptureFile::Format> open_pcapng(ByteSource &source);
bool is_pcap_magic(std::uint32_t little_endian);

// Link types of pcap and pcapng (tcpdump.org/linktypes.html).
bool known_link_type(std::uint32_t link_type);
// Sets type and data of `packet`, whose data is the whole record.
void unwrap(std::uint32_t link_type, HciPacket &packet);

// btsnoop counts microseconds from the year 0: so many of them until 1970.
constexpr std::int64_t btsnoop_epoch = 0x00dc'ddb3'0f2f'8000;

// Microseconds since 1970 as Time. What is before 1970 becomes 1970, what is after 9998 the end of 9998: a window that
// begins there still ends in a year of four digits.
Time clamp_time(std::int64_t microseconds);

}  // namespace ble
