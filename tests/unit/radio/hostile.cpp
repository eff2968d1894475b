// Damaged captures with a fixed seed: the reader must neither crash nor read what is not there (run under asan).
#include <algorithm>
#include <random>

#include "catch.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "captures.hpp"
#include "radio/window/reducer.hpp"

using namespace captures;

namespace {

Bytes sample(int kind) {
    const Bytes data = from_hex("0201061aff4c000215e2c56db5dffb48d2b060d0f5a71096e000010002c5");
    const Bytes more = from_hex("0303aafe1516aafe00ee00112233445566778899aabbccddeeff");
    const Bytes events[] = {legacy_event(data), legacy_event(more), extended_event(0x20, data),
                            extended_event(0x00, more), extended_event(0x13, data)};
    const bool big = kind % 2 == 1;
    Bytes out = kind < 2   ? btsnoop_header(kind == 0 ? 1002 : 2001)
                : kind < 4 ? pcap_header(kind == 2 ? 187 : 201, big, big)
                           : section(big) + interface(254, big, std::uint8_t{9}, 3) + interface(187, big);
    std::uint64_t us = sample_us;
    for (const auto &event : events) {
        const Bytes monitor = u16(0, true) + u16(3, true);
        out =
            out + (kind == 0   ? btsnoop_record(h4(event), 3, us)
                   : kind == 1 ? btsnoop_record(event, 3, us)
                   : kind == 2 ? pcap_record(h4(event), big, big, us)
                   : kind == 3 ? pcap_record(u32(1, true) + h4(event), big, big, us)
                               : enhanced(0, us * 1000, monitor + event, big) + simple(monitor + event, big));
        us += 100'000;
    }
    return out;
}

// What sniffers record: legacy advertising, and an extended chain of two.
Bytes sniffed(std::uint32_t link) {
    const Bytes one = from_hex("01000000f7c4"), set = from_hex("2331"),
                data = from_hex("0201061aff4c000215e2c56db5");
    const Bytes pdus[] = {
        air_packet(0, one + data),
        air_packet(7, from_hex("0618") + set + Bytes{10, 50, 0}),
        air_packet(7, from_hex("0d59") + one + set + Bytes{11, 50, 0, 4} + data),
        air_packet(7, from_hex("0308") + set + data),
        air_packet(3, from_hex("02000000f7c4") + one),
        air_packet(7, from_hex("0909") + one + set + data),
    };
    const std::uint8_t channels[] = {37, 37, 10, 11, 10, 10}, frequencies[] = {0, 0, 11, 13, 11, 11};
    Bytes out = pcap_header(link, false);
    for (std::size_t i = 0; i < std::size(pdus); ++i)
        out = out + pcap_record(link == 256   ? with_radio(frequencies[i], pdus[i])
                                : link == 272 ? by_nordic(channels[i], pdus[i])
                                              : pdus[i],
                                false, false, sample_us + 1500 * i);
    return out;
}

Bytes logged(bool big) {
    return packet_logger_record(legacy_event(), big) +
           packet_logger_record(extended_event(0x20, from_hex("020106")), big) +
           packet_logger_record(extended_event(0x00, from_hex("0303aafe")), big);
}

// All that blescan does with a capture.
void use(const Bytes &bytes) {
    try {
        const auto got = read(bytes);
        ble::AddressHasher hasher({});
        ble::WindowOptions options;
        options.window = std::chrono::minutes(10);
        options.profile = {true, true, true};
        ble::WindowReducer windows(options, hasher, [](ble::Batch &batch) { ble::print_batch(batch); });
        for (auto [report, data, adapter] : got.reports) {
            report.data = data;
            report.adapter = adapter;
            windows.advance(report.timestamp);
            windows.add(report);
        }
        windows.finish();
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::data);
    }
}

}  // namespace

TEST_CASE("damaged captures do no harm") {
    ble::set_log_level(ble::LogLevel::error);
    std::mt19937 random(20261122);
    std::vector<Bytes> captures{sniffed(251), sniffed(256), sniffed(272), logged(false), logged(true)};
    for (int kind = 0; kind < 6; ++kind) captures.push_back(sample(kind));
    for (const auto &whole : captures) {
        REQUIRE(read(whole).reports.size() >= 2);
        for (int round = 0; round < 400; ++round) {
            Bytes bytes = whole;
            const auto changes = 1 + random() % 8;
            for (unsigned i = 0; i < changes; ++i)
                bytes[random() % bytes.size()] =
                    static_cast<std::uint8_t>(random() % 3 == 0 ? 0xff : random());
            if (random() % 4 == 0) bytes.resize(random() % bytes.size());
            use(bytes);
        }
    }
}

TEST_CASE("noise behind a good header does no harm") {
    ble::set_log_level(ble::LogLevel::error);
    std::mt19937 random(4711);
    const Bytes headers[] = {btsnoop_header(1001), btsnoop_header(2001), pcap_header(254, false),
                             section(true) + interface(201, true)};
    for (int round = 0; round < 400; ++round) {
        Bytes noise(random() % 300);
        for (auto &byte : noise) byte = static_cast<std::uint8_t>(random() % 4 ? random() % 16 : random());
        use(headers[round % 4] + noise);
    }
}

TEST_CASE("any bytes may be advertising data") {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        Bytes data(random() % 255);
        for (auto &byte : data) byte = static_cast<std::uint8_t>(random() % 3 ? random() % 24 : random());
        use(btsnoop_header(1002) +
            btsnoop_record(h4(extended_event(
                0, Bytes(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(
                                                          std::min<std::size_t>(data.size(), 229)))))));
    }
}
