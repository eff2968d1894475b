// The line format's bounds (blepipe-batch(5)).
#pragma once

#include <cstddef>

namespace ble {

// Longest line in bytes, without its LF. A pipe of 1 MiB holds it even when every page of the pipe is half filled.
constexpr std::size_t max_line = 512'000;
// How much longer a line may be after a receiver, which adds the sender (batch/sender.hpp).
constexpr std::size_t sender_room = 160;
// How much longer a line out of a database may be (batch/archive.hpp): it has further members, and is printed anew.
constexpr std::size_t archive_room = 12'000;
static_assert(max_line + archive_room + sender_room < std::size_t{1 << 20} / 2, "half-filled pages hold it");

// The name of a Pi for people, and its place: in characters.
constexpr std::size_t longest_name = 100, longest_location = 200, longest_version = 64;

}  // namespace ble
