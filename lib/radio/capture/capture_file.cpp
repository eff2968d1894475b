#include "radio/capture/capture_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "radio/capture/capture_format.hpp"

namespace ble {

namespace {

constexpr std::uint32_t h4 = 187, h4_with_direction = 201, linux_monitor = 254;

std::unique_ptr<CaptureFile::Format> open_format(ByteSource &source) {
    if (const auto *start = source.need(4)) {
        const auto magic = load_little<std::uint32_t>(start);
        if (magic == 0x6e737462) return open_btsnoop(source);  // "btsn"
        if (magic == 0x0a0d0d0a) return open_pcapng(source);
        if (is_pcap_magic(magic)) return open_pcap(source);
    }
    throw Error(ExitCode::data, source.name() +
                                    (source.available() == 0 ? " is empty" : " is no capture file") +
                                    ": blescan reads btsnoop (btmon -w FILE), pcap and pcapng");
}

}  // namespace

CaptureFile::CaptureFile(ByteSource &source) : format_(open_format(source)) {}
CaptureFile::~CaptureFile() = default;

std::optional<HciPacket> CaptureFile::next() {
    if (!format_->problem().empty()) return std::nullopt;
    return format_->next();
}

const std::string &CaptureFile::problem() const {
    return format_->problem();
}

const std::uint8_t *CaptureFile::Format::need(std::size_t bytes, std::uint64_t record) {
    const auto *data = source_.need(bytes);
    if (!data && !source_.given_up())
        problem_ = "ends inside the record that begins at byte " + std::to_string(record);
    return data;
}

bool CaptureFile::Format::at_end() {
    return source_.need(1) == nullptr;
}

std::nullopt_t CaptureFile::Format::damaged(std::uint64_t record, const std::string &why) {
    problem_ = "is damaged at byte " + std::to_string(record) + ": " + why;
    return std::nullopt;
}

bool known_link_type(std::uint32_t link_type) {
    return link_type == h4 || link_type == h4_with_direction || link_type == linux_monitor;
}

void unwrap(std::uint32_t link_type, HciPacket &packet) {
    if (link_type == h4) return unwrap_h4(packet);
    if (packet.data.size() >= 4 && link_type == h4_with_direction) {
        packet.data = packet.data.subspan(4);
        unwrap_h4(packet);
    } else if (packet.data.size() >= 4 && link_type == linux_monitor) {
        packet.adapter = load_big<std::uint16_t>(packet.data.data());
        const auto opcode = load_big<std::uint16_t>(packet.data.data() + 2);
        packet.data = packet.data.subspan(4);
        unwrap_monitor(opcode, packet);
    }
}

Time clamp_time(std::int64_t microseconds) {
    constexpr std::int64_t end_of_9998 = 253'370'764'799'999'999;
    return Time(std::chrono::microseconds(std::clamp<std::int64_t>(microseconds, 0, end_of_9998)));
}

}  // namespace ble
