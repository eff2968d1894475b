// pcap, the classic format: one link type a file, the writer's byte order, micro- or nanoseconds.
#include "base/error.hpp"
#include "radio/capture/capture_format.hpp"
#include "radio/capture/link_type.hpp"

namespace ble {

namespace {

constexpr std::uint32_t microseconds_magic = 0xa1b2c3d4, nanoseconds_magic = 0xa1b23c4d;

class Pcap : public CaptureFile::Format {
  public:
    Pcap(ByteSource &source, bool big_endian, bool nanoseconds, std::uint32_t link)
        : Format(source), big_endian_(big_endian), nanoseconds_(nanoseconds), link_(link) {}

    std::optional<HciPacket> next() override {
        for (;;) {
            auto packet = record();
            if (!packet) refuse_what_is_not_understood();
            if (!packet || take(link_, *packet)) return packet;
        }
    }

  private:
    std::optional<HciPacket> record() {
        if (at_end()) return std::nullopt;
        const auto start = source_.offset();
        const auto *header = need(16, start);
        if (!header) return std::nullopt;
        const std::int64_t seconds = load<std::uint32_t>(header, big_endian_);
        const std::int64_t fraction = load<std::uint32_t>(header + 4, big_endian_);
        const auto length = load<std::uint32_t>(header + 8, big_endian_);
        if (length > max_record) return damaged(start, "a record of " + std::to_string(length) + " bytes");
        const auto *data = need(16 + length, start);
        if (!data) return std::nullopt;
        source_.take(16 + length);
        const std::int64_t micros = nanoseconds_ ? fraction / 1000 : fraction;
        return HciPacket{clamp_time(seconds * 1'000'000 + micros), 0, {data + 16, length}};
    }

    bool big_endian_, nanoseconds_;
    std::uint32_t link_;
};

}  // namespace

bool is_pcap_magic(std::uint32_t little_endian) {
    return little_endian == microseconds_magic || little_endian == nanoseconds_magic ||
           little_endian == __builtin_bswap32(microseconds_magic) ||
           little_endian == __builtin_bswap32(nanoseconds_magic);
}

std::unique_ptr<CaptureFile::Format> open_pcap(ByteSource &source) {
    const auto *header = source.need(24);
    if (!header) throw Error(ExitCode::data, source.name() + " ends inside its pcap header");
    const auto little = load_little<std::uint32_t>(header);
    const bool big_endian = little != microseconds_magic && little != nanoseconds_magic;
    const bool nanoseconds = load<std::uint32_t>(header, big_endian) == nanoseconds_magic;
    const auto link =
        load<std::uint32_t>(header + 20, big_endian) & 0xffff;  // above: the frame check sequence
    if (!known_link_type(link))
        throw Error(ExitCode::data, source.name() + ": pcap link type " + std::to_string(link) +
                                        " is not read here; known are " + known_link_types);
    source.take(24);
    return std::make_unique<Pcap>(source, big_endian, nanoseconds, link);
}

}  // namespace ble
