// pcapng: blocks in sections, each section with its byte order and its interfaces, each interface with its link type
// and its resolution of time (IETF draft-ietf-opsawg-pcapng).
#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "radio/capture/capture_format.hpp"

namespace ble {

namespace {

constexpr std::uint32_t section_header = 0x0a0d0d0a, interface_description = 1, obsolete_packet = 2,
                        simple_packet = 3, enhanced_packet = 6;
constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::size_t most_interfaces = 4096;

struct Interface {
    std::uint16_t link = 0;
    std::uint8_t resolution = 6;  // if_tsresol: a power of 10, or with the top bit a power of 2
    std::int64_t offset_s = 0;    // if_tsoffset

    Time time(std::uint64_t ticks) const;
};

std::uint64_t power_of_ten(unsigned exponent) {
    std::uint64_t value = 1;
    while (exponent-- > 0) value *= 10;
    return value;
}

Time Interface::time(std::uint64_t ticks) const {
    constexpr std::uint64_t most = 300'000'000'000'000'000;  // microseconds: past the year 9999
    unsigned exponent = resolution & 0x7f;
    std::uint64_t micros;
    if (resolution & 0x80) {
        if (exponent > 32) {  // bits below a quarter of a nanosecond
            ticks = exponent - 32 < 64 ? ticks >> (exponent - 32) : 0;
            exponent = 32;
        }
        const std::uint64_t seconds = ticks >> exponent,
                            fraction = ticks & ((std::uint64_t{1} << exponent) - 1);
        micros = seconds > most / 1'000'000 ? most : seconds * 1'000'000 + (fraction * 1'000'000 >> exponent);
    } else if (exponent > 6) {
        micros = exponent - 6 > 19 ? 0 : ticks / power_of_ten(exponent - 6);
    } else {
        const std::uint64_t factor = power_of_ten(6 - exponent);
        micros = ticks > most / factor ? most : ticks * factor;
    }
    if (micros > most) micros = most;
    constexpr std::int64_t most_offset_s = 300'000'000'000;
    const std::int64_t shift = std::min(std::max(offset_s, -most_offset_s), most_offset_s) * 1'000'000;
    return clamp_time(static_cast<std::int64_t>(micros) + shift);
}

class Pcapng : public CaptureFile::Format {
  public:
    using Format::Format;

    std::optional<HciPacket> next() override;

  private:
    struct Block {
        std::uint32_t type;
        std::span<const std::uint8_t> body;
    };
    enum class Step { packet, go_on, end };

    Step step(HciPacket &packet);
    bool read_section(std::uint64_t record);
    void add_interface(std::span<const std::uint8_t> body);
    bool read_packet(const Block &block, HciPacket &packet);
    template <class T>
    T get(const std::uint8_t *bytes) const {
        return load<T>(bytes, big_endian_);
    }

    bool big_endian_ = false;
    std::vector<Interface> interfaces_;
    std::uint32_t interfaces_before_ = 0;  // in earlier sections
    Time last_{};
};

std::optional<HciPacket> Pcapng::next() {
    HciPacket packet;
    for (;;) {
        switch (step(packet)) {
            case Step::packet:
                return packet;
            case Step::go_on:
                break;
            case Step::end:
                refuse_what_is_not_understood();
                return std::nullopt;
        }
    }
}

Pcapng::Step Pcapng::step(HciPacket &packet) {
    if (at_end()) return Step::end;
    const auto record = source_.offset();
    const auto *header = need(8, record);
    if (!header) return Step::end;
    // A section header says its byte order itself, and reads the same in both.
    if (load_little<std::uint32_t>(header) == section_header && !read_section(record)) return Step::end;
    header = source_.need(8);
    const auto type = get<std::uint32_t>(header), length = get<std::uint32_t>(header + 4);
    const bool wanted = type == interface_description || type == obsolete_packet || type == simple_packet ||
                        type == enhanced_packet;
    if (length < 12 || length % 4 != 0 || (wanted && length > max_record)) {
        damaged(record, "a block of " + std::to_string(length) + " bytes");
        return Step::end;
    }
    if (!wanted) {
        if (source_.skip(length)) return Step::go_on;
        if (!source_.given_up()) damaged(record, "the file ends within the block");
        return Step::end;
    }
    const auto *block = need(length, record);
    if (!block) return Step::end;
    source_.take(length);
    const std::span<const std::uint8_t> body(block + 8, length - 12);
    if (type == interface_description) {
        if (interfaces_.size() == most_interfaces) {
            damaged(record, "more than 4096 interfaces");
            return Step::end;
        }
        add_interface(body);
        return Step::go_on;
    }
    packet = HciPacket{};
    if (!read_packet({type, body}, packet)) {
        damaged(record, "a packet block whose lengths do not agree");
        return Step::end;
    }
    const auto link = interfaces_[packet.interface - interfaces_before_].link;
    return take(link, packet) ? Step::packet : Step::go_on;
}

bool Pcapng::read_section(std::uint64_t record) {
    const auto *header = need(28, record);
    if (!header) return false;
    const auto magic = load_little<std::uint32_t>(header + 8);
    if (magic != byte_order_magic && magic != __builtin_bswap32(byte_order_magic)) {
        damaged(record, "a section header without byte order");
        return false;
    }
    big_endian_ = magic != byte_order_magic;
    if (get<std::uint16_t>(header + 12) != 1) {
        damaged(record, "pcapng version " + std::to_string(get<std::uint16_t>(header + 12)));
        return false;
    }
    interfaces_before_ += static_cast<std::uint32_t>(interfaces_.size());
    interfaces_.clear();
    return true;
}

void Pcapng::add_interface(std::span<const std::uint8_t> body) {
    constexpr std::uint16_t end_of_options = 0, tsresol = 9, tsoffset = 14;
    Interface added;
    if (body.size() >= 8) {
        added.link = get<std::uint16_t>(body.data());
        body = body.subspan(8);
        while (body.size() >= 4) {
            const auto code = get<std::uint16_t>(body.data());
            const std::size_t length = get<std::uint16_t>(body.data() + 2), padded = (length + 3) / 4 * 4;
            if (code == end_of_options || body.size() < 4 + padded) break;
            if (code == tsresol && length >= 1) added.resolution = body[4];
            if (code == tsoffset && length >= 8) added.offset_s = get<std::int64_t>(body.data() + 4);
            body = body.subspan(4 + padded);
        }
    }
    interfaces_.push_back(added);
    described(added.link);
}

bool Pcapng::read_packet(const Block &block, HciPacket &packet) {
    const auto *body = block.body.data();
    const std::size_t head = block.type == simple_packet ? 4 : 20;
    if (block.body.size() < head) return false;
    std::uint32_t interface = 0;
    std::size_t length = block.body.size() - head;
    if (block.type == simple_packet) {
        length = std::min<std::size_t>(length,
                                       get<std::uint32_t>(body));  // the original length: the data is padded
    } else {
        interface = block.type == enhanced_packet ? get<std::uint32_t>(body) : get<std::uint16_t>(body);
        if (get<std::uint32_t>(body + 12) > length) return false;
        length = get<std::uint32_t>(body + 12);
    }
    if (interface >= interfaces_.size()) return false;
    const auto &from = interfaces_[interface];
    if (block.type != simple_packet) {
        const auto high = get<std::uint32_t>(body + 4), low = get<std::uint32_t>(body + 8);
        last_ = from.time(static_cast<std::uint64_t>(high) << 32 | low);
    }
    packet.timestamp = last_;
    packet.interface = interfaces_before_ + interface;
    packet.data = block.body.subspan(head, length);
    return true;
}

}  // namespace

std::unique_ptr<CaptureFile::Format> open_pcapng(ByteSource &source) {
    if (!source.need(28)) throw Error(ExitCode::data, source.name() + " ends inside its pcapng header");
    return std::make_unique<Pcapng>(source);
}

}  // namespace ble
