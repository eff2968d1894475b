// The confirmation: what a backend tells a sender on TOPIC/stored/RUN_ID about lines that it has for good (blepipe-batch(5)).
//
//     {"device_id":"pi-lab-1","run_id":"9f2c41d07a6be813","stored":[[3,17],[20,20]],"gaps":[[18,19]]}
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batch/batch.hpp"

namespace ble {

// What a line is called: batches by their seq, twice; gap lines by their range. A batch without run_id and seq, or with a
// run_id that cannot be part of a topic, is the only one of a run that is named by the SHA-256 of its line.
struct LineName {
    std::string device_id, run_id;
    bool is_gap = false;
    std::uint64_t from_seq = 0, to_seq = 0;

    auto operator<=>(const LineName &) const = default;
};

// Empty: the line is neither a batch nor a gap.
std::optional<LineName> name_line(BatchParser &parser, std::string_view line);

struct Confirmation {
    using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // both ends inclusive
    std::string device_id, run_id;
    Ranges batches;  // may cover several batches each
    Ranges gaps;     // one gap line each
};

std::string print_confirmation(const Confirmation &confirmation);
// Empty: it is none. At most 64 KiB.
std::optional<Confirmation> parse_confirmation(std::string_view text);

// TOPIC/stored/RUN_ID, and whether a topic looks like one.
std::string confirmation_topic(std::string_view topic, std::string_view run_id);
bool is_confirmation_topic(std::string_view topic);

}  // namespace ble
