#include "radio/capture/capture_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "radio/capture/capture_format.hpp"
#include "radio/capture/link_type.hpp"

namespace ble {

namespace {

std::unique_ptr<CaptureFile::Format> open_format(ByteSource &source) {
    if (const auto *start = source.need(4)) {
        const auto magic = load_little<std::uint32_t>(start);
        if (magic == 0x6e737462) return open_btsnoop(source);  // "btsn"
        if (magic == 0x0a0d0d0a) return open_pcapng(source);
        if (is_pcap_magic(magic)) return open_pcap(source);
    }
    if (const auto *start = source.need(13); start && is_packet_logger(start))
        return open_packet_logger(source);
    if (!source.damage().empty()) throw Error(ExitCode::data, source.name() + " " + source.damage());
    throw Error(
        ExitCode::data,
        source.name() + (source.available() == 0 ? " is empty" : " is no capture file") +
            ": blescan reads btsnoop (btmon -w FILE), pcap, pcapng and pklg, also compressed by gzip");
}

}  // namespace

CaptureFile::CaptureFile(ByteSource &source) : source_(source), format_(open_format(source)) {}
CaptureFile::~CaptureFile() = default;

std::optional<HciPacket> CaptureFile::next() {
    if (!problem().empty()) return std::nullopt;
    return format_->next();
}

std::string CaptureFile::problem() const {
    return source_.damage().empty() ? format_->problem() : source_.damage();
}

std::string CaptureFile::left_out() const {
    std::uint64_t packets = 0;
    std::string types;
    for (const auto &[type, count] : format_->left_out()) {
        if (count == 0) continue;
        packets += count;
        types += (types.empty() ? "of link type " : ", ") + std::to_string(type);
    }
    return packets == 0 ? "" : std::to_string(packets) + " packets that are not understood (" + types + ")";
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

bool CaptureFile::Format::take(std::uint32_t link_type, HciPacket &packet) {
    const bool understood = unwrap(link_type, packet);
    if (understood)
        any_read_ = true;
    else
        ++left_out_[link_type];
    return understood;
}

void CaptureFile::Format::described(std::uint32_t link_type) {
    if (known_link_type(link_type))
        any_known_ = true;
    else
        left_out_.try_emplace(link_type, 0);
}

void CaptureFile::Format::refuse_what_is_not_understood() const {
    if (any_read_ || left_out_.empty() || source_.given_up()) return;
    const bool packets =
        std::any_of(left_out_.begin(), left_out_.end(), [](auto &of) { return of.second > 0; });
    if (packets || !any_known_)
        throw Error(ExitCode::data, source_.name() + " has nothing that blescan can read: link type " +
                                        std::to_string(left_out_.begin()->first) + "; blescan reads " +
                                        known_link_types + ", of known versions");
}

Time clamp_time(std::int64_t microseconds) {
    constexpr std::int64_t end_of_9998 = 253'370'764'799'999'999;
    return Time(std::chrono::microseconds(std::clamp<std::int64_t>(microseconds, 0, end_of_9998)));
}

}  // namespace ble
