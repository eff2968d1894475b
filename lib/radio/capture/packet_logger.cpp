// Apple's PacketLogger (.pklg), of macOS and, from iPhones, sysdiagnose. Records without a file header: the length of what follows it
// (4 bytes), seconds and microseconds since 1970 (4 each), the kind (1), the packet. Big-endian, of some versions little-endian.
#include <memory>

#include "radio/air/byte_order.hpp"
#include "radio/capture/capture_format.hpp"

namespace ble {

namespace {

constexpr std::size_t header_size = 13, in_length = 9;  // of the header, what the length counts

constexpr std::uint8_t hci_command = 0x00, hci_event = 0x01;

class PacketLogger : public CaptureFile::Format {
  public:
    PacketLogger(ByteSource &source, bool big_endian) : Format(source), big_endian_(big_endian) {}

    std::optional<HciPacket> next() override {
        if (at_end()) return std::nullopt;
        const auto record = source_.offset();
        const auto *header = need(header_size, record);
        if (!header) return std::nullopt;
        const std::size_t length = load<std::uint32_t>(header, big_endian_);
        if (length < in_length || length > max_record)
            return damaged(record, "a record of " + std::to_string(length) + " bytes");
        const auto *data = need(4 + length, record);
        if (!data) return std::nullopt;
        source_.take(4 + length);
        const std::int64_t seconds = load<std::uint32_t>(data + 4, big_endian_);
        const std::int64_t micros = load<std::uint32_t>(data + 8, big_endian_);
        HciPacket packet{
            clamp_time(seconds * 1'000'000 + micros), 0, {data + header_size, length - in_length}};
        packet.type = data[12] == hci_event     ? HciPacket::event
                      : data[12] == hci_command ? HciPacket::command
                                                : 0;
        return packet;
    }

  private:
    bool big_endian_;
};

bool begins_so(const std::uint8_t *start, bool big_endian) {
    // The kinds: 0x00 to 0x0b packets, 0xef and from 0xf0 on notes.
    const auto kind = start[12];
    const auto length = load<std::uint32_t>(start, big_endian);
    return length >= in_length && length <= max_record &&
           load<std::uint32_t>(start + 8, big_endian) < 1'000'000 && (kind <= 0x0b || kind >= 0xef);
}

}  // namespace

bool is_packet_logger(const std::uint8_t *start) {
    return begins_so(start, true) || begins_so(start, false);
}

std::unique_ptr<CaptureFile::Format> open_packet_logger(ByteSource &source) {
    return std::make_unique<PacketLogger>(source, begins_so(source.need(header_size), true));
}

}  // namespace ble
