// btsnoop, the format of Android's and BlueZ's HCI logs: RFC 1761's, with data links of its own. Big-endian.
#include "base/error.hpp"
#include "radio/capture/capture_format.hpp"

namespace ble {

namespace {

constexpr std::uint32_t hci = 1001, h4 = 1002, linux_monitor = 2001;

class Btsnoop : public CaptureFile::Format {
  public:
    Btsnoop(ByteSource &source, std::uint32_t link) : Format(source), link_(link) {}

    std::optional<HciPacket> next() override {
        if (at_end()) return std::nullopt;
        const auto record = source_.offset();
        const auto *header = need(24, record);
        if (!header) return std::nullopt;
        const auto length = load_big<std::uint32_t>(header + 4);
        const auto flags = load_big<std::uint32_t>(header + 8);
        const auto time = load_big<std::int64_t>(header + 16);
        if (length > max_record) return damaged(record, "a record of " + std::to_string(length) + " bytes");
        const auto *data = need(24 + length, record);
        if (!data) return std::nullopt;
        source_.take(24 + length);
        HciPacket packet{clamp_time(time < btsnoop_epoch ? 0 : time - btsnoop_epoch), 0, {data + 24, length}};
        unwrap_record(flags, packet);
        return packet;
    }

  private:
    void unwrap_record(std::uint32_t flags, HciPacket &packet) const {
        if (link_ == h4) {
            unwrap_h4(packet);
        } else if (link_ == hci) {
            const bool received = flags & 1, command_or_event = flags & 2;
            if (command_or_event) packet.type = received ? HciPacket::event : HciPacket::command;
        } else {
            packet.adapter = static_cast<std::uint16_t>(flags >> 16);
            unwrap_monitor(static_cast<std::uint16_t>(flags), packet);
        }
    }

    std::uint32_t link_;
};

}  // namespace

std::unique_ptr<CaptureFile::Format> open_btsnoop(ByteSource &source) {
    const auto *header = source.need(16);
    if (!header) throw Error(ExitCode::data, source.name() + " ends inside its btsnoop header");
    const auto link = load_big<std::uint32_t>(header + 12);
    if (load_big<std::uint64_t>(header) != 0x6274736e6f6f7000 || load_big<std::uint32_t>(header + 8) != 1)
        throw Error(ExitCode::data, source.name() + " is no btsnoop file of version 1");
    if (link != hci && link != h4 && link != linux_monitor)
        throw Error(ExitCode::data, source.name() + ": btsnoop data link " + std::to_string(link) +
                                        " is not known; blescan reads 1001, 1002 and 2001");
    source.take(16);
    return std::make_unique<Btsnoop>(source, link);
}

}  // namespace ble
