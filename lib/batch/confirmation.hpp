// The confirmation: what a backend tells a sender on BASE/stored/DEVICE_ID about lines that it has for good (blepipe-batch(5)).
//
//     {"device_id":"pi-lab-1","run_id":"9f2c41d07a6be813","stored":[[3,"<32 hex digits>"]],"gaps":[[18,19,"<32 hex digits>"]]}
//
// It has digests, and not only names: if somebody else has used a name, the bytes and so the digest are different. With a
// key that both ends share it has a further last member, "mac":"<64 hex digits>", so that nobody else can make one.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/batch.hpp"

namespace ble {

// The name of a line. A batch: its seq as both ends; a gap line: its range. A batch without run_id and seq is alone in
// a run that is named by the SHA-256 of its line.
struct LineName {
    std::string device_id, run_id;
    bool is_gap = false;
    std::uint64_t from_seq = 0, to_seq = 0;

    auto operator<=>(const LineName &) const = default;
};

// The first 16 bytes of content_digest().
using LineDigest = std::array<std::uint8_t, 16>;

struct NamedLine {
    LineName name;
    LineDigest digest{};

    auto operator<=>(const NamedLine &) const = default;
};

// Empty: the line, of which `parsed` was read, is neither a batch nor a gap.
std::optional<NamedLine> name_line(const ParsedLine &parsed, std::string_view line);

struct Confirmation {
    struct Line {
        std::uint64_t from_seq = 0, to_seq = 0;  // both inclusive; of a batch the same
        LineDigest digest{};

        auto operator<=>(const Line &) const = default;
    };
    std::string device_id, run_id;
    std::vector<Line> batches, gaps;
};

// So many lines, of both kinds together, and no more are in one that we print: 16 KiB, which any broker takes that takes batches.
constexpr std::size_t most_confirmed_lines = 200;
constexpr std::size_t confirmed_line_size = 80;  // bytes at most of each

std::string print_confirmation(const Confirmation &confirmation);
// The text of a confirmation with its "mac": HMAC-SHA-256, under the key, of the topic, a LF and that text.
std::string seal_confirmation(std::string text, std::string_view topic, std::string_view key);
// Does it end in the mac that this key gives it on this topic? The time that this takes tells nothing of it.
bool is_sealed(std::string_view text, std::string_view topic, std::string_view key);
// Empty: it is none. At most 64 KiB.
std::optional<Confirmation> parse_confirmation(std::string_view text);

// BASE/stored/DEVICE_ID, the SHA-256 of a device_id that cannot be a level of a topic; and whether a topic looks like one. BASE is the
// lines' topic, without its last level where that is the device_id: it is not below the topic of a device, since nats-server from
// 2.10.26 to 2.12.3 delivers nothing to RAW/* while somebody listens below RAW/DEVICE.
std::string confirmation_topic(std::string_view topic, std::string_view device_id);
bool is_confirmation_topic(std::string_view topic);

}  // namespace ble
