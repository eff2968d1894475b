#include <unistd.h>

#include "catch.hpp"

#include "base/error.hpp"
#include "captures.hpp"

using namespace captures;

namespace {

std::uint32_t crc32(const Bytes &bytes) {
    std::uint32_t crc = ~0u;
    for (const auto byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

// A member of gzip data (RFC 1952) that stores its bytes as they are.
Bytes gzip(const Bytes &bytes) {
    const auto size = static_cast<unsigned>(bytes.size());
    return from_hex(
               "1f8b0800000000000003"
               "01") +
           u16(size, false) + u16(~size & 0xffff, false) + bytes + u32(crc32(bytes), false) +
           u32(size, false);
}

Bytes part(const Bytes &bytes, std::size_t from, std::size_t to) {
    return {bytes.begin() + static_cast<std::ptrdiff_t>(from),
            bytes.begin() + static_cast<std::ptrdiff_t>(to)};
}

const Bytes capture =
    btsnoop_header(1002) + btsnoop_record(h4(legacy_event())) + btsnoop_record(h4(legacy_event()));

// Packets of what comes through a pipe in pieces of that size.
std::size_t packets_in_pieces(const Bytes &bytes, std::size_t piece) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const ble::UniqueFd out(ends[0]);
    ble::UniqueFd in(ends[1]);
    std::size_t sent = 0;
    ble::ByteSource source(out.get(), "pipe", [&](int) {
        const auto size = std::min(piece, bytes.size() - sent);
        if (size == 0) in = ble::UniqueFd();
        if (size > 0 && ::write(in.get(), bytes.data() + sent, size) != static_cast<ssize_t>(size))
            return false;
        sent += size;
        return true;
    });
    ble::CaptureFile file(source);
    std::size_t packets = 0;
    while (file.next()) ++packets;
    CHECK(file.problem().empty());
    return packets;
}

}  // namespace

TEST_CASE("compressed data may come in pieces of any size, and in any number of members") {
    const Bytes halves = gzip(part(capture, 0, 30)) + gzip({}) + gzip(part(capture, 30, capture.size()));
    for (const auto &packed : {capture, gzip(capture), halves})
        for (const std::size_t piece : {1, 2, 3, 10, 100, 10'000}) {
            INFO("pieces of " << piece);
            CHECK(packets_in_pieces(packed, piece) == 2);
        }
}

TEST_CASE("compressed data cut at any byte gives what is whole, and says that it was cut") {
    const Bytes packed = gzip(capture);
    for (std::size_t length = 0; length < packed.size(); ++length) {
        INFO("cut to " << length);
        const std::size_t head = 15, unpacked = std::min(std::max(length, head) - head, capture.size());
        if (unpacked < 16) {
            CHECK_THROWS_AS(read(part(packed, 0, length)), ble::Error);
            continue;
        }
        const auto got = read(part(packed, 0, length));
        CHECK(got.reports.size() == (unpacked - 16) / ((capture.size() - 16) / 2));
        CHECK(got.problem == "ends inside its gzip data");
    }
    CHECK(read(packed).problem.empty());
}

TEST_CASE("compressed data with any byte changed is never taken for whole") {
    const Bytes packed = gzip(capture);
    for (std::size_t i = 0; i < packed.size(); ++i) {
        const bool says_nothing = i >= 4 && i <= 9;  // its time, kind of compression and system
        if (says_nothing) continue;
        INFO("byte " << i);
        Bytes changed = packed;
        changed[i] ^= 0x15;
        try {
            const auto got = read(changed);
            CHECK(!got.problem.empty());
        } catch (const ble::Error &error) {
            CHECK(error.code() == ble::ExitCode::data);
        }
    }
}
