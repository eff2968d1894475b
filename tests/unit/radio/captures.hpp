// Builds small captures in every format, and reads captures from memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "radio/capture/capture_file.hpp"
#include "radio/hci/event.hpp"
#include "radio/hci/report_reader.hpp"

namespace captures {

using Bytes = std::vector<std::uint8_t>;

inline Bytes from_hex(const std::string &text) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return out;
}

inline Bytes operator+(Bytes a, const Bytes &b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

template <class T>
Bytes number(T value, bool big_endian) {
    Bytes out;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        const std::size_t shift = 8 * (big_endian ? sizeof(T) - 1 - i : i);
        out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> shift));
    }
    return out;
}
inline Bytes u16(unsigned value, bool big) {
    return number(static_cast<std::uint16_t>(value), big);
}
inline Bytes u32(std::uint64_t value, bool big) {
    return number(static_cast<std::uint32_t>(value), big);
}
inline Bytes u64(std::uint64_t value, bool big) {
    return number(value, big);
}

// An HCI event with one legacy report of c0:11:22:33:44:01, random, ADV_NONCONN_IND.
inline Bytes legacy_event(const Bytes &data = from_hex("020106"), std::uint8_t rssi = 0xc4) {
    const Bytes report =
        Bytes{0x03, 0x01, 0x01, 0x44, 0x33, 0x22, 0x11, 0xc0, static_cast<std::uint8_t>(data.size())} + data +
        Bytes{rssi};
    return Bytes{0x3e, static_cast<std::uint8_t>(report.size() + 2), 0x02, 0x01} + report;
}

// An HCI event with one extended report of the same advertiser.
inline Bytes extended_event(std::uint16_t type, const Bytes &data, std::uint8_t rssi = 0xc4,
                            std::uint8_t last = 0x01, std::uint8_t set = 0) {
    const Bytes report = u16(type, false) +
                         Bytes{0x01, last, 0x44, 0x33, 0x22, 0x11, 0xc0, 0x01, 0x00, set, 0x7f, rssi} +
                         Bytes(9, 0) + Bytes{static_cast<std::uint8_t>(data.size())} + data;
    return Bytes{0x3e, static_cast<std::uint8_t>(report.size() + 2), 0x0d, 0x01} + report;
}

inline Bytes h4(const Bytes &event) {
    return Bytes{0x04} + event;
}

constexpr std::uint64_t sample_us = 1'646'745'476'130'446;  // 2022-03-08T13:17:56.130446Z

inline Bytes btsnoop_header(std::uint32_t link) {
    return from_hex("6274736e6f6f700000000001") + u32(link, true);
}
inline Bytes btsnoop_record(const Bytes &data, std::uint32_t flags = 3, std::uint64_t us = sample_us) {
    return u32(data.size(), true) + u32(data.size(), true) + u32(flags, true) + u32(0, true) +
           u64(us + 0x00dcddb30f2f8000, true) + data;
}

inline Bytes pcap_header(std::uint32_t link, bool big, bool nanoseconds = false) {
    return u32(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, big) + u16(2, big) + u16(4, big) + u64(0, big) +
           u32(65535, big) + u32(link, big);
}
inline Bytes pcap_record(const Bytes &data, bool big, bool nanoseconds = false,
                         std::uint64_t us = sample_us) {
    const std::uint64_t fraction = us % 1'000'000;
    return u32(us / 1'000'000, big) + u32(nanoseconds ? fraction * 1000 + 789 : fraction, big) +
           u32(data.size(), big) + u32(data.size(), big) + data;
}

inline Bytes block(std::uint32_t type, Bytes body, bool big) {
    while (body.size() % 4 != 0) body.push_back(0);
    const Bytes length = u32(body.size() + 12, big);
    return u32(type, big) + length + body + length;
}
inline Bytes section(bool big) {
    return block(0x0a0d0d0a, u32(0x1a2b3c4d, big) + u16(1, big) + u16(0, big) + u64(~0ull, big), big);
}
inline Bytes interface(unsigned link, bool big, std::optional<std::uint8_t> resolution = {},
                       std::optional<std::int64_t> offset_s = {}) {
    Bytes body = u16(link, big) + u16(0, big) + u32(0, big);
    if (resolution) body = body + u16(9, big) + u16(1, big) + Bytes{*resolution, 0, 0, 0};
    if (offset_s) body = body + u16(14, big) + u16(8, big) + u64(static_cast<std::uint64_t>(*offset_s), big);
    if (resolution || offset_s) body = body + u32(0, big);
    return block(1, body, big);
}
inline Bytes enhanced(unsigned interface_id, std::uint64_t ticks, const Bytes &data, bool big) {
    return block(6,
                 u32(interface_id, big) + u32(ticks >> 32, big) + u32(ticks & 0xffffffff, big) +
                     u32(data.size(), big) + u32(data.size(), big) + data,
                 big);
}
inline Bytes simple(const Bytes &data, bool big) {
    return block(3, u32(data.size(), big) + data, big);
}
inline Bytes obsolete(unsigned interface_id, std::uint64_t ticks, const Bytes &data, bool big) {
    return block(2,
                 u16(interface_id, big) + u16(0, big) + u32(ticks >> 32, big) + u32(ticks & 0xffffffff, big) +
                     u32(data.size(), big) + u32(data.size(), big) + data,
                 big);
}

// A packet of an advertising channel, without its checksum: type 0 is ADV_IND, 7 ADV_EXT_IND.
inline Bytes air_packet(std::uint8_t type, const Bytes &payload) {
    return from_hex("d6be898e") +
           Bytes{static_cast<std::uint8_t>(0x40 | type), static_cast<std::uint8_t>(payload.size())} + payload;
}
// As link type 256 has it: RSSI -60, the checksum is right.
inline Bytes with_radio(std::uint8_t frequency_index, const Bytes &packet) {
    return Bytes{frequency_index, 0xc4, 0, 0} + from_hex("d6be898e130c") + packet;
}
// As link type 272 has it: the same.
inline Bytes by_nordic(std::uint8_t channel, const Bytes &packet, std::uint8_t version = 3) {
    return Bytes{0} + u16(static_cast<unsigned>(10 + packet.size()), false) +
           Bytes{version, 1, 0, 2, 10, 1, channel, 60} + Bytes(6) + packet;
}

inline Bytes packet_logger_record(const Bytes &event, bool big, std::uint64_t us = sample_us,
                                  std::uint8_t kind = 1) {
    return u32(9 + event.size(), big) + u32(us / 1'000'000, big) + u32(us % 1'000'000, big) + Bytes{kind} +
           event;
}

inline ble::UniqueFd memory_file(const Bytes &bytes) {
    ble::UniqueFd fd(::memfd_create("capture", MFD_CLOEXEC));
    if (!fd || ::pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw std::runtime_error("no file in memory");
    return fd;
}

// A report with data, and its adapter's name, of its own.
struct Heard {
    ble::Report report;
    Bytes data;
    std::string adapter;
};

struct Read {
    std::vector<Heard> reports;
    std::uint64_t packets = 0, malformed = 0;
    std::string problem;
};

inline Read read(const Bytes &bytes) {
    const auto fd = memory_file(bytes);
    ble::ByteSource source(fd.get(), "capture");
    ble::CaptureFile capture(source);
    Read out;
    ble::Counters counters;
    ble::ReportReader reader(counters, [&](const ble::Report &report) {
        out.reports.push_back(
            {report, {report.data.begin(), report.data.end()}, std::string(report.adapter)});
        out.reports.back().report.data = {};
        out.reports.back().report.adapter = {};
    });
    while (const auto packet = capture.next()) {
        ++out.packets;
        reader.advance(packet->timestamp);
        reader.read(*packet);
    }
    reader.finish();
    out.malformed = counters.rejected;
    out.problem = capture.problem();
    return out;
}

inline std::uint64_t micros(ble::Time time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

}  // namespace captures
